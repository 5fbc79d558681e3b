import type { Evidence } from "../../datapath/evidence/gather";
import { HEALTHY, WORKER, changed, configured, judged, rowOf, status, wrong } from "./support/inspection";

describe("an inspection of programs", () => {
  describe("where one program is detached from the cgroup of all sockets", () => {
    const onKernel = (kernel: string, evidence: Evidence): Evidence => {
      const value = ("value" in HEALTHY.api.nodes ? HEALTHY.api.nodes.value : []).map((node) => ({ ...node, kernel }));
      return { ...evidence, api: { ...evidence.api, nodes: { value } } };
    };
    const without = (name: string, evidence = HEALTHY) => ({
      ...evidence,
      nodes: changed({ cgroups: (text) => text.replace(`"${name}"`, '"other"') }).nodes.map((node, index) => ({
        ...node,
        sections: { ...evidence.nodes[index]!.sections, cgroups: node.sections.cgroups! },
      })),
    });
    const found = (evidence: Evidence, kernel = "6.8.0-45-generic") => wrong(judged(onKernel(kernel, evidence)));

    it.each(["sock4_post_bind", "sock6_post_bind", "sock4_getpeername", "sock6_getpeername", "sock_release"])(
      "names %s, on every node",
      (name) => {
        expect(found(without(`cil_${name}`))).toEqual([
          ["programs", "contradiction", expect.stringMatching(new RegExp(`^no program at cil_${name} on cgroup[,;]`))],
        ]);
      },
    );

    it("expects none that the configuration, the kernel or the version does without", () => {
      const unprotected = configured({ "node-port-bind-protection": "false" });
      expect(found(without("cil_sock4_post_bind", unprotected))).toEqual([]);
      expect(found(without("cil_sock4_getpeername"), "5.4.0")).toEqual([]);
      const older = changed({ status: (text) => text.replaceAll("1.20.2", "1.17.18") });
      expect(found(without("cil_sock_release", older))).toEqual([]);
    });

    it("expects them beside kube-proxy too, where the load balancer of sockets is on", () => {
      const hooks = (keys: Record<string, string>) =>
        rowOf(judged(without("cil_sock4_sendmsg", configured(keys))), "programs").nodes[0]!.reason ?? "";
      expect(hooks({ "kube-proxy-replacement": "false", "bpf-lb-sock": "true" })).toContain("cil_sock4_sendmsg");
      for (const replacement of ["disabled", "false"])
        expect(
          hooks({ "kube-proxy-replacement": replacement, "bpf-lb-sock": String(replacement === "disabled") }),
        ).not.toContain("cil_sock4_sendmsg");
    });
  });

  it("takes programs without names of their own for Cilium's, as legacy tc has them", () => {
    const legacy = changed({
      tcx: () => "",
      network: () =>
        JSON.stringify([
          {
            xdp: [],
            tc: ["ingress", "egress"].flatMap((way) =>
              ["eth0", "lxc1"].map((devname) => ({ devname, kind: `clsact/${way}`, name: "bpf_netdev_eth0" })),
            ),
          },
        ]),
    });
    const found = judged(legacy);
    for (const [id, observed] of [
      ["services", "Cilium"],
      ["masquerading", "BPF"],
      ["devices", "eth0"],
      ["programs", "complete"],
    ] as const)
      expect([id, rowOf(found, id).nodes[0]!.observed]).toEqual([id, observed]);
  });

  it("finds programs that legacy tc names after their device", () => {
    const devices = ["cilium_net", "cilium_host", "eth0", "lxc1"];
    const programs = [
      ["cilium_net", "ingress", "to_host"],
      ["cilium_host", "ingress", "to_host"],
      ["cilium_host", "egress", "from_host"],
      ["eth0", "ingress", "from_netdev"],
      ["eth0", "egress", "to_netdev"],
      ["lxc1", "ingress", "from_container"],
    ];
    const tc = programs.map(([devname, way, name]) => ({
      devname,
      kind: `clsact/${way}`,
      name: `cil_${name}-${devname}`,
    }));
    const legacy = (list: object[]) =>
      changed({
        tcx: () => "",
        network: () => JSON.stringify([{ xdp: [], tc: list }]),
        links: () => JSON.stringify(devices.map((ifname) => ({ ifname, mtu: 1500 }))),
      });
    expect(rowOf(judged(legacy(tc)), "programs").nodes[0]).toMatchObject({ observed: "complete" });
    const without = judged(legacy(tc.filter(({ name }) => name !== "cil_to_host-cilium_host")));
    expect(rowOf(without, "programs").nodes[0]!.reason).toMatch(/^no program at cil_to_host on cilium_host;/);
  });

  it("sees XDP, whose programs have no name, and a device without programs", () => {
    const xdp = changed({
      network: () => '[{"xdp":[{"devname":"eth0","ifindex":2,"mode":"driver","id":99}],"tc":[]}]',
    });
    expect(wrong(judged(xdp))).toEqual([
      ["xdp", "contradiction", "the agent reports disabled, and the datapath has native"],
    ]);
    const two = changed({
      status: status((own) => {
        const services = own["kube-proxy-replacement"] as { deviceList: object[] };
        services.deviceList = [...services.deviceList, { name: "eth1" }];
      }),
    });
    expect(wrong(judged(two))).toEqual([
      ["devices", "contradiction", "the agent reports eth0 eth1, and the datapath has eth0"],
    ]);
  });

  it("shows what needs no TCX programs where these could not be read, and tells why it shows nothing else", () => {
    const nodes = HEALTHY.nodes.map((node) => ({
      ...node,
      sections: { ...node.sections, tcx: { error: "tcx: too late" } },
    }));
    const inspection = judged({ ...HEALTHY, nodes });
    expect(wrong(inspection)).toEqual([]);
    const cells = (id: string) => rowOf(inspection, id).nodes.map(({ observed, reason }) => observed ?? reason);
    expect(cells("socket-lb")).toEqual(["on", "on", "on"]);
    expect(cells("xdp")).toEqual(["disabled", "disabled", "disabled"]);
    for (const id of ["services", "masquerading", "devices", "attachment"])
      expect([id, ...cells(id)]).toEqual([id, "tcx: too late", "tcx: too late", "tcx: too late"]);
    const rule = "-A CILIUM_POST_nat -s 10.0.0.0/24 ! -d 10.0.0.0/8 -j MASQUERADE";
    const iptables = changed({ iptables: (text) => `${text}\n${rule}` }, WORKER).nodes.map((node) => ({
      ...node,
      sections: { ...node.sections, tcx: { error: "tcx: too late" } },
    }));
    expect(wrong(judged({ ...HEALTHY, nodes: iptables }))).toEqual([
      ["masquerading", "contradiction", "the agent reports BPF, and the datapath has iptables"],
    ]);
  });

  it("names programs that are not Cilium's, without an accusation", () => {
    const cgroups = changed({
      cgroups: (text) => {
        const tree = JSON.parse(text) as { cgroup: string; programs: object[] }[];
        const root = tree.find(({ cgroup }) => cgroup === "/run/cilium/cgroupv2")!;
        root.programs.push({ id: 1, attach_type: "cgroup_inet4_connect", name: "foreign" });
        return JSON.stringify(tree);
      },
    });
    const found = judged(cgroups);
    const replaced = changed({ tcx: (text) => text.replace("cil_from_netdev", "other") }, WORKER);
    expect(rowOf(judged(replaced), "programs").nodes[1]!.reason).toMatch(
      /^no program at cil_from_netdev on eth0, beside other on eth0;/,
    );
    expect([wrong(found), rowOf(found, "programs").nodes[0]!.observed]).toEqual([
      [],
      "complete, beside foreign on cgroup",
    ]);
  });

  it("needs a program where routes lead to the pods' devices", () => {
    const routed = configured(
      { "enable-endpoint-routes": "true" },
      changed({ tcx: (text) => text.replace(/.*cil_to_contain.*\n/g, "") }),
    );
    const without = judged(routed);
    expect(rowOf(without, "programs").nodes[0]!.reason).toMatch(/^no program at cil_to_container on lxc/);
  });
});
