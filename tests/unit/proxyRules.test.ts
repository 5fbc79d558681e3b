import { readFileSync } from "node:fs";
import { join } from "node:path";
import { countOfNftables, rulesOfIpvs, rulesOfNftables } from "../../datapath/checks/proxyRules";

const NFTABLES = readFileSync(join(__dirname, "evidence/kube-proxy-1.34.2-nftables.txt"), "utf8");

/** As the kernel prints it (ip_vs_ctl.c). */
const IPVS = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A600001:01BB rr 
  -> AC120002:192B      Masq    1      0          0         
UDP  0A60000A:0035 rr 
  -> 0A000114:0035      Masq    1      0          0         
  -> 0A000215:0035      Masq    1      0          0         
TCP  AC120003:7D00 rr persistent 10800 FFFFFFFF
  -> 0A00000A:0050      Masq    1      0          0         
`;

describe("rulesOfNftables", () => {
  it("follows every Service's map elements and chains to its backends", () => {
    const { services, nodePorts, seen } = rulesOfNftables(NFTABLES)!;
    const servers = new Set(["10.0.1.96:80", "10.0.2.81:80", "10.0.0.207:80"]);
    const dns = new Set(["10.0.1.59:53", "10.0.1.19:53"]);
    expect(Object.fromEntries(services)).toEqual({
      "10.96.0.1:443/TCP": new Set(["172.18.0.4:6443"]),
      "10.96.0.10:53/TCP": dns,
      "10.96.0.10:53/UDP": dns,
      "10.96.0.10:9153/TCP": new Set(["10.0.1.59:9153", "10.0.1.19:9153"]),
      "10.96.114.15:80/TCP": servers,
      "10.96.114.15:80/UDP": servers,
      // its traffic policy is Local
      "10.96.223.174:443/TCP": new Set(["172.18.0.2:4244"]),
    });
    expect(Object.fromEntries(nodePorts)).toEqual({ "32000/TCP": servers, "32000/UDP": servers });
    expect(seen).toBe("table ip kube-proxy with 7 ports of Services, 2 NodePorts");
  });

  it("follows the chains of a Service with session affinity", () => {
    const sticky = `table ip kube-proxy {
	map service-ips {
		elements = { 10.96.77.8 . tcp . 8080 : goto service-MPMV3DTK-nettool/sticky/tcp/web }
	}

	chain endpoint-6O5KZHVW-nettool/sticky/tcp/web__10.0.0.10/80 {
		ip saddr 10.0.0.10 jump mark-for-masquerade
		update @affinity-6O5KZHVW-nettool/sticky/tcp/web__10.0.0.10/80 { ip saddr }
		meta l4proto tcp dnat to 10.0.0.10:80
	}

	chain service-MPMV3DTK-nettool/sticky/tcp/web {
		ip daddr 10.96.77.8 ip saddr != 10.0.0.0/16 jump mark-for-masquerade
		ip saddr @affinity-6O5KZHVW-nettool/sticky/tcp/web__10.0.0.10/80 goto endpoint-6O5KZHVW-nettool/sticky/tcp/web__10.0.0.10/80
		numgen random mod 1 vmap { 0 : goto endpoint-6O5KZHVW-nettool/sticky/tcp/web__10.0.0.10/80 }
	}
}
`;
    expect(rulesOfNftables(sticky)!.services).toEqual(new Map([["10.96.77.8:8080/TCP", new Set(["10.0.0.10:80"])]]));
  });

  it("knows no rules without kube-proxy's table, and ends where chains lead to each other", () => {
    expect(rulesOfNftables("table ip other {\n}\n")).toBeUndefined();
    const loop = `table ip kube-proxy {
	map service-ips {
		elements = { 10.96.0.1 . tcp . 443 : goto a }
	}

	chain a {
		goto b
	}

	chain b {
		goto a
	}
}
`;
    expect(rulesOfNftables(loop)!.services).toEqual(new Map([["10.96.0.1:443/TCP", new Set()]]));
  });
});

describe("countOfNftables", () => {
  it("counts chains, rules and elements of maps, which take the place of iptables' rules", () => {
    // 69 rules in chains, and 9 elements: 7 ports of Services and 2 NodePorts
    expect(countOfNftables(NFTABLES)).toEqual({
      chains: NFTABLES.match(/^\tchain /gm)!.length,
      rules: 78,
    });
    expect(countOfNftables("")).toEqual({ chains: 0, rules: 0 });
  });
});

describe("rulesOfIpvs", () => {
  it("reads the kernel's table, in which the node's own addresses have its NodePorts", () => {
    const { services, nodePorts, seen } = rulesOfIpvs(IPVS, ["172.18.0.3"])!;
    expect(Object.fromEntries(services)).toEqual({
      "10.96.0.1:443/TCP": new Set(["172.18.0.2:6443"]),
      "10.96.0.10:53/UDP": new Set(["10.0.1.20:53", "10.0.2.21:53"]),
    });
    expect(Object.fromEntries(nodePorts)).toEqual({ "32000/TCP": new Set(["10.0.0.10:80"]) });
    expect(seen).toBe("IPVS with 2 ports of Services, 1 NodePorts");
  });

  it("reads the addresses of one family", () => {
    const table = `${IPVS}TCP  [fd00:0010:0096:0000:0000:0000:0000:0009]:0050 rr 
  -> [fd00:0010:0000:0002:0000:0000:0000:0007]:0050      Masq    1      0          0         
TCP  [fc00:0000:0000:0000:0000:0000:0000:0003]:7D00 rr 
  -> [fd00:0010:0000:0002:0000:0000:0000:0007]:0050      Masq    1      0          0         
`;
    expect(rulesOfIpvs(table, ["172.18.0.3"])).toEqual(rulesOfIpvs(IPVS, ["172.18.0.3"]));
    const { services, nodePorts } = rulesOfIpvs(table, ["fc00::3"], "ipv6")!;
    const server = new Set(["[fd00:10:0:2::7]:80"]);
    expect(Object.fromEntries(services)).toEqual({ "[fd00:10:96::9]:80/TCP": server });
    expect(Object.fromEntries(nodePorts)).toEqual({ "32000/TCP": server });
  });

  it("knows no rules where the kernel has no IPVS", () => {
    expect(rulesOfIpvs("", [])).toBeUndefined();
  });
});
