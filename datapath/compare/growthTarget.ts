import type { AttachableCluster } from "../../cluster/read";
import type { ServiceWriter } from "../../cluster/services";
import type { Session } from "../../cluster/podExec";
import type { Place } from "../probes";

/** A cluster to be filled with Services, and who asks whom in it. */
export interface GrowthTarget {
  readonly cluster: AttachableCluster & {
    /** Where there is one, connections are measured from the client's node too. */
    readonly startOnNode?: ((node: string, command: readonly string[]) => Session) | undefined;
  };
  readonly services: ServiceWriter;
  readonly client: Place;
  /** Answers for Services, on another node than the client's where there is one. */
  readonly server: Place;
  /** Answers after a change of endpoints. */
  readonly otherServer: Place;
  readonly serviceCidr: string;
}

/** How much is measured. */
export interface GrowthOptions {
  /** New Services, each with a change of its endpoint. Default: 5 */
  readonly samples?: number;
  /** Values of the time of connections, first and kept. Default: 5 */
  readonly passes?: number;
  /** Services that a first connection is made to in each pass. Default: 50 */
  readonly connections?: number;
  /** Seconds that each value of a kept connection takes. Default: 1 */
  readonly keptSeconds?: number;
  /** Quiet before each change, ms, beside what the change before took. Default: 1,000 */
  readonly quietMs?: number;
  /** Between two looks at tables that may still change, ms. Default: 2,000 */
  readonly settleMs?: number;
}

/** What is measured where nothing else is asked for. */
export const DEFAULTS: Required<GrowthOptions> = {
  samples: 5,
  passes: 5,
  connections: 50,
  keptSeconds: 1,
  quietMs: 1000,
  settleMs: 2000,
};
