/** A problem with one of the extra Helm values. */
export interface ValueFinding {
  /** `error`: the chart or the agent would reject it, or it breaks the mode; `warning`: it would have no or another effect. */
  readonly severity: "error" | "warning";
  /** Path of the value, such as `bpf.masquerade`. */
  readonly key: string;
  /** Setting to blame instead of a value. */
  readonly setting?: string;
  /** The rule, and the correct key or value. */
  readonly rule: string;
}
