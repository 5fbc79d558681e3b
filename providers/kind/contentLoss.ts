/** A resource in a cluster whose content the engine drops from the state when a refresh cannot reach the cluster. */
interface Losable {
  /** Whether the stack creates the cluster; a refresh drops nothing of an external one. */
  readonly ownCluster: boolean;
  /** The cluster did not respond to an earlier refresh. */
  readonly lost: boolean;
}

/** The state after a refresh: `lost` once the cluster did not respond, until an update has recreated the content. */
export async function readLost<State extends Losable>(
  olds: State,
  read: (olds: State) => Promise<unknown>,
): Promise<State> {
  if (!olds.ownCluster) return olds;
  const lost = await read(olds).then(
    () => false,
    () => true,
  );
  return { ...olds, lost: olds.lost || lost };
}
