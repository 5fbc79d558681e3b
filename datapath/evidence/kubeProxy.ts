import { KUBE_PROXY_MODES, type KubeProxyMode } from "../../modes/kubeProxy";

/** Asks a node's kube-proxy for its mode, at its address for metrics, and the kernel for its IPVS table. */
export const ASK_KUBE_PROXY = `timeout 4 bash -c 'exec 3<>/dev/tcp/127.0.0.1/10249 && printf "GET /proxyMode HTTP/1.0\\r\\n\\r\\n" >&3 && tail -n 1 <&3' 2>/dev/null
echo; cat /proc/net/ip_vs 2>/dev/null; true`;

/** What {@link ASK_KUBE_PROXY} printed. */
export interface KubeProxyAnswer {
  /** Undefined where kube-proxy does not answer, or is older than the question. */
  readonly mode?: KubeProxyMode | undefined;
  /** Empty where the kernel has no IPVS, or has not loaded it. */
  readonly ipvs: string;
}

/** The answers of kube-proxy and of the kernel. */
export function kubeProxyAnswer(output: string): KubeProxyAnswer {
  const [first = "", ...rest] = output.split("\n");
  return { mode: kubeProxyModeIn(first), ipvs: rest.join("\n").trim() };
}

/** The mode that a text names; undefined for any other text. */
export const kubeProxyModeIn = (text = "") => KUBE_PROXY_MODES.find((each) => each === text.trim());
