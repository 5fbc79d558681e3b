import { labMissing, LabProject, longMissing, MINUTES, timeMissing } from "../support/lab";
import { describeIf } from "../support/project";

const STACK = "lb";
const WORKER = `cmtest-${STACK}-worker`;

const SETTINGS = {
  kubeProxyReplacement: true,
  "bpf.masquerade": true,
  "bpf.enableTCX": true,
  "loadBalancer.mode": "dsr",
  "loadBalancer.algorithm": "maglev",
  cluster: { workers: 1 },
};

describeIf([...labMissing(), ...longMissing(), ...timeMissing(20)], "the load balancer's settings", () => {
  const project = new LabProject();
  afterAll(() => project.close(STACK), 5 * MINUTES);

  const change = async (...settings: readonly (readonly [string, string])[]) => {
    for (const [key, value] of settings) await project.succeed("config", "set", key, value, "-s", STACK);
  };
  const up = () => project.succeed("up", "--yes", "--skip-preview", "-s", STACK);
  /** Who replies to this machine, and what rewrites the request. */
  const walkFromHere = () => {
    const [trace] = project.trace(STACK, "--scenario", "host-nodeport").traces;
    const [request, reply] = trace!.legs;
    return {
      verdict: trace!.verdict,
      from: reply!.hops.at(-1)!.station.node,
      server: request!.hops.at(-1)!.station.node,
      notes: trace!.notes?.length ?? 0,
    };
  };

  it(
    "DSR and Maglev are proven, and servers' nodes reply directly",
    async () => {
      await project.addStack(STACK, SETTINGS);
      await up();
      expect(project.verify(STACK)).toEqual({ code: 0, wrong: {} });
      const inspection = project.inspect(STACK, "--probe");
      expect(inspection).toEqual({ code: 0, mode: "ebpf, native", wrong: {} });
      const { verdict, from, server, notes } = walkFromHere();
      expect([verdict, from, notes]).toEqual(["pass", server, 2]);
    },
    15 * MINUTES,
  );

  it(
    "change in place: hybrid, legacy tc and sockets of nodes only",
    async () => {
      await change(
        ["loadBalancer.mode", "hybrid"],
        ["loadBalancer.algorithm", "random"],
        ["bpf.enableTCX", "false"],
        ["socketLB.hostNamespaceOnly", "true"],
      );
      await up();
      expect(project.verify(STACK)).toEqual({ code: 0, wrong: {} });
      for (const scenario of ["clusterip", "nodeport-own", "nodeport-other"]) {
        const [trace] = project.trace(STACK, "--scenario", scenario).traces;
        const rewriters = trace!.legs[0]!.hops.flatMap(({ rewritten }) => rewritten.map(({ by }) => by));
        expect([scenario, trace!.verdict, new Set(rewriters)]).toEqual([scenario, "pass", new Set(["BPF"])]);
      }
    },
    10 * MINUTES,
  );

  it(
    "fail with XDP, which loses requests on kind's devices",
    async () => {
      await change(["loadBalancer.mode", "snat"], ["loadBalancer.acceleration", "native"]);
      const { code } = await project.pulumi("up", "--yes", "--skip-preview", "-s", STACK);
      expect(code).not.toBe(0);
      const { wrong } = project.verify(STACK);
      expect(wrong["from-outside"]).toContain(WORKER);
      expect(wrong).not.toHaveProperty("programs");
    },
    15 * MINUTES,
  );

  it(
    "are Cilium's own again without them",
    async () => {
      const own = ["mode", "algorithm", "acceleration"].map((key) => `loadBalancer.${key}`);
      for (const key of [...own, "socketLB.hostNamespaceOnly", "bpf.enableTCX"])
        await project.succeed("config", "rm", key, "-s", STACK);
      await up();
      expect(project.verify(STACK)).toEqual({ code: 0, wrong: {} });
    },
    10 * MINUTES,
  );
});
