import type { ConfigState } from "../../datapath/evidence/api";
import type { Evidence } from "../../datapath/evidence/gather";
import type { RecordedCilium } from "../../cluster/helmRecord";
import type { Inspection } from "../../datapath/inspect/inspection";
import { HEALTHY, WORKER, changed, judged, rowOf, status, wrong } from "./support/inspection";

describe("an inspection of agents' configuration", () => {
  it("tells a configuration that is newer than the agents, who wrote it, and what overrides it on a node", () => {
    const config = "value" in HEALTHY.api.config ? HEALTHY.api.config.value : undefined;
    const writers = [{ manager: "kubectl-patch", time: "2026-11-29T23:00:00.000Z", keys: ["enable-bpf-masquerade"] }];
    const data = { ...config!.data, "enable-bpf-masquerade": "false" };
    const newer = { ...HEALTHY, api: { ...HEALTHY.api, config: { value: { data, writers } } } };
    const by = "(written by kubectl-patch at 2026-11-29T23:00:00.000Z)";
    const found = wrong(judged(newer));
    expect(found.map(([id, verdict]) => [id, verdict])).toEqual([
      ["host-routing", "drift"],
      ["masquerading", "drift"],
      ["configuration", "drift"],
    ]);
    expect(found[1]![2]).toContain(`cilium-config asks for iptables now ${by}`);
    expect(found[2]![2]).toContain(`newer than the agent in enable-bpf-masquerade ${by}`);

    const one = changed(
      { config: (text) => text.replace("enable-bpf-masquerade=true", "enable-bpf-masquerade=false") },
      WORKER,
    );
    const nodeConfigs = {
      value: [{ namespace: "kube-system", name: "odd", defaults: { "enable-bpf-masquerade": "false" } }],
    };
    const overridden = judged({ ...one, api: { ...one.api, nodeConfigs } });
    const { nodes } = rowOf(overridden, "masquerading");
    expect(nodes.filter(({ verdict }) => verdict !== "in force").map(({ node }) => node)).toEqual([WORKER]);
    expect(rowOf(overridden, "configuration").verdict).toBe("in force");
  });

  describe("where a CiliumNodeConfig selects nodes", () => {
    const named = (name: string, defaults: Record<string, string>, nodes: string[]) => ({
      ...{ namespace: "kube-system", name, defaults, nodes },
    });
    const withConfigs = (value: ReturnType<typeof named>[], evidence = HEALTHY): Evidence => ({
      ...evidence,
      api: { ...evidence.api, nodeConfigs: { value } },
    });
    const set = (key: string, value: string) =>
      changed({ config: (text) => text.replace(new RegExp(`^${key}=.*\n`, "m"), "") + `${key}=${value}\n` }, WORKER);

    it("names the one that selects the node, of two that set the same", () => {
      const defaults = { "enable-l7-proxy": "true" };
      const two = [named("other", defaults, ["cmlead-worker2"]), named("own", defaults, [WORKER])];
      const found = wrong(judged(withConfigs(two, set("enable-l7-proxy", "true"))));
      expect(found).toEqual([
        ["l7-proxy", "drift", "CiliumNodeConfig own sets enable-l7-proxy here"],
        // the other one's agent has not read it
        ["configuration", "drift", expect.stringContaining("CiliumNodeConfig other is newer than the agent")],
      ]);
    });

    it("names it for a key that cilium-config does not have", () => {
      const small = changed(
        {
          config: (text) => `${text}\nmtu=1400\n`,
          links: (text) => text.replace(/("ifname":"lxc[^_][^}]*?"mtu":)1500/g, "$11400"),
        },
        WORKER,
      );
      expect(wrong(judged(withConfigs([named("small", { mtu: "1400" }, [WORKER])], small)))).toEqual([
        ["mtu", "drift", "CiliumNodeConfig small sets mtu here"],
      ]);
      const dumped = { ...small, nodes: small.nodes.map((node) => ({ ...node, isDump: true })) };
      expect(wrong(judged(withConfigs([named("small", { mtu: "1400" }, [WORKER])], dumped)))).toEqual([
        ["mtu", "drift", "CiliumNodeConfig small sets mtu here"],
      ]);
    });

    it("tells that an agent has not read it yet", () => {
      const pending = withConfigs([named("soon", { "enable-bpf-masquerade": "false" }, [WORKER])]);
      const found = judged(pending);
      expect(wrong(found)).toEqual([
        [
          "configuration",
          "drift",
          expect.stringContaining("CiliumNodeConfig soon is newer than the agent in enable-bpf-masquerade"),
        ],
      ]);
      expect(rowOf(found, "configuration").nodes.filter(({ verdict }) => verdict === "drift")).toMatchObject([
        { node: WORKER },
      ]);
    });

    it("accuses no writer of cilium-config where the object is gone", () => {
      const gone = /the agent read another value when it started, of a CiliumNodeConfig or a key that is gone/;
      expect(wrong(judged(set("enable-l7-proxy", "true")))).toEqual([
        ["l7-proxy", "drift", expect.stringMatching(gone)],
        ["configuration", "drift", expect.stringMatching(gone)],
      ]);
    });
  });

  it("tells keys that were added to cilium-config or removed from it since agents read it", () => {
    const config = "value" in HEALTHY.api.config ? HEALTHY.api.config.value : undefined;
    const { "enable-policy": removed, ...data } = config!.data;
    expect(removed).toBeDefined();
    const writers = [{ manager: "kubectl-patch", time: "2099-01-01T00:00:00.000Z", keys: ["enable-endpoint-routes"] }];
    const value = { data: { ...data, "enable-endpoint-routes": "true" }, writers };
    const changedKeys = { ...HEALTHY, api: { ...HEALTHY.api, config: { value } } };
    expect(wrong(judged(changedKeys))).toEqual([
      [
        "configuration",
        "drift",
        expect.stringMatching(
          /^cilium-config is newer than the agent in enable-endpoint-routes \(written by kubectl-patch at \S+\); the agent has enable-policy of a CiliumNodeConfig or cilium-config, and nothing records who removed keys; restart it/,
        ),
      ],
    ]);
    // a dump lists the agents' defaults, and no empty values
    const nodes = changedKeys.nodes.map((node) => ({ ...node, isDump: true }));
    expect(wrong(judged({ ...changedKeys, nodes }))).toEqual([]);
  });

  it("names no writer for a key that is gone from cilium-config, which agents have read without it", () => {
    const { "enable-bpf-masquerade": removed, ...data } = (HEALTHY.api.config as { value: ConfigState }).value.data;
    expect(removed).toBe("true");
    const writers = [{ manager: "helm", time: "2026-11-29T20:00:00.000Z", keys: Object.keys(data) }];
    const read = changed({ config: (text) => text.replace(/^enable-bpf-masquerade=.*\n/m, "") });
    const api = { ...read.api, config: { value: { data, writers } } };
    const reported = changed({
      status: status((own) => Object.assign(own["masquerading"]!, { mode: "IPTables" })),
      iptables: (text) => `${text}\n-A CILIUM_POST_nat -s 10.0.0.0/24 ! -d 10.0.0.0/8 -j MASQUERADE`,
    });
    const nodes = reported.nodes.map((node, index) => ({
      ...node,
      sections: { ...node.sections, config: read.nodes[index]!.sections.config! },
    }));
    expect(rowOf(judged({ ...HEALTHY, nodes, api }), "masquerading").nodes[0]).toMatchObject({
      verdict: "drift",
      reason:
        "Helm rendered BPF, and cilium-config was changed since: enable-bpf-masquerade is gone, and nothing records who removed keys",
    });
  });

  it("names an argument that overrides the configuration, and not a restart", () => {
    const overridden = changed({ arguments: (text) => `${text}--enable-l7-proxy=true\n` });
    expect(wrong(judged(overridden))).toEqual([
      ["l7-proxy", "drift", "the agent's argument or variable for enable-l7-proxy overrides cilium-config"],
    ]);
  });

  it("takes the next word for the value of an argument", () => {
    const given = changed({
      arguments: (text) => `${text}--devices\neth0\n--enable-l7-proxy\nCILIUM_K8S_NODE_NAME=x\n`,
    });
    expect(rowOf(judged(given), "devices").nodes[0]).toMatchObject({
      ...{ configured: "eth0", reported: "eth0", verdict: "drift" },
      reason: "the agent's argument or variable for devices overrides cilium-config",
    });
    const rendered = HEALTHY.api.rendered as { value: RecordedCilium };
    const args = [...rendered.value.agent!.args, "--devices=eth0"];
    const value = { ...rendered.value, agent: { ...rendered.value.agent!, args } };
    const byHelm = judged({ ...given, api: { ...given.api, rendered: { value } } });
    expect(rowOf(byHelm, "devices").verdict).toBe("in force");
    expect(rowOf(judged(given), "l7-proxy").nodes[0]!.configured).not.toBe("off");
  });

  it("tells an agent whose image is not the one that Helm rendered, wherever it is from", () => {
    const imaged = (image: string) => {
      const pods = "value" in HEALTHY.api.pods ? HEALTHY.api.pods.value : [];
      const value = pods.map((pod) => ({
        ...pod,
        containers: pod.containers.map((each) =>
          pod.node === WORKER && each.name === "cilium-agent" ? { ...each, wantedImage: image } : each,
        ),
      }));
      return wrong(judged({ ...HEALTHY, api: { ...HEALTHY.api, pods: { value } } }));
    };
    expect(imaged("mirror.example/quay/cilium:v1.20.2@sha256:0")).toEqual([]);
    expect(imaged("lab/cilium:v1.20.2-b")).toEqual([
      [
        "version",
        "drift",
        "Helm rendered cilium:v1.20.2; the DaemonSet was changed since, or has not replaced this pod",
      ],
    ]);
  });

  it("names nodes whose pods are older than their DaemonSet, in image or arguments", () => {
    const args = ["--config-dir=/tmp/cilium/config-map"];
    /** The workers' pods have something else than the first node's, which is as the DaemonSet asks for it. */
    const rolling = (older: object, strategy: string) => {
      const pods = ("value" in HEALTHY.api.pods ? HEALTHY.api.pods.value : []).map((pod) => ({
        ...pod,
        containers: pod.containers.map((each) =>
          each.name === "cilium-agent" ? { ...each, args, ...(pod.node.endsWith("plane") ? {} : older) } : each,
        ),
      }));
      const template = { value: { image: "lab/cilium:v1.20.2", args, strategy } };
      return judged({ ...HEALTHY, api: { ...HEALTHY.api, pods: { value: pods }, template } });
    };
    const drifts = (inspection: Inspection, id: string) =>
      rowOf(inspection, id).nodes.flatMap(({ node, verdict, reason }) => (verdict === "drift" ? [[node, reason]] : []));
    const workers = (reason: unknown) => [WORKER, "cmlead-worker2"].map((node) => [node, reason]);

    expect(wrong(rolling({ wantedImage: "mirror.example/cilium:v1.20.2@sha256:0" }, "OnDelete"))).toEqual([]);
    const old = rolling({ wantedImage: "lab/cilium:v1.19.6" }, "RollingUpdate");
    expect(drifts(old, "version")).toEqual(
      workers("the DaemonSet asks for cilium:v1.20.2 now, and has not replaced this pod: its rollout is not complete"),
    );
    const other = rolling({ args: [...args, "--debug=true"] }, "OnDelete");
    expect(wrong(other).map(([id]) => id)).toEqual(["configuration"]);
    const agent = HEALTHY.nodes.find(({ node }) => node === WORKER)!.agent!;
    expect(drifts(other, "configuration")[0]).toEqual([
      WORKER,
      "the DaemonSet's template no longer has --debug=true, and this pod is older: " +
        `its updateStrategy OnDelete waits until the pod is deleted; restart it: kubectl -n kube-system delete pod ${agent}`,
    ]);
    expect(drifts(other, "configuration")).toHaveLength(2);
  });
});
