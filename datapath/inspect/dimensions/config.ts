/** A `cilium-config`, with an agent's overrides where it is a node's. */
export type Config = Readonly<Record<string, string | undefined>>;

export const isOn = (value: string | undefined) => value === "true";
export const onOff = (value: boolean) => (value ? "on" : "off");
/** Whether one of some keys is on. */
export const key =
  (...names: readonly string[]) =>
  (config: Config) =>
    onOff(names.some((name) => isOn(config[name])));

export const REPLACEMENT = "kube-proxy-replacement";
/** The modes in which Cilium serves all Services. */
export const replaces = (config: Config) => ["true", "strict", "probe"].includes(config[REPLACEMENT] ?? "");
/** Whether Cilium serves NodePorts, which can be switched on alone beside kube-proxy. */
export const servesNodePorts = (config: Config) => replaces(config) || isOn(config["enable-node-port"]);
export const NODE_PORT = `${REPLACEMENT}.features.nodePort`;

/** Who gives packets to the outside the node's address. */
export const masqueradingOf = (config: Config) =>
  config["enable-ipv4-masquerade"] === "false" ? "off" : isOn(config["enable-bpf-masquerade"]) ? "BPF" : "iptables";

/** `native`, or the tunnel's protocol. */
export const networkOf = (config: Config) => {
  const protocol = config["tunnel-protocol"] ?? config["tunnel"] ?? "vxlan";
  const isNative = config["routing-mode"] === "native" || config["tunnel"] === "disabled";
  return isNative ? "native" : protocol;
};
