/** What a resource remembers of a cluster whose contents the engine loses when a refresh gets no answer from it. */
interface Losable {
  /** Whether the stack makes the cluster; of one that exists, a refresh loses nothing. */
  readonly ownCluster: boolean;
  /** The cluster did not answer when it was last looked at. */
  readonly lost: boolean;
}

/** The state after a look at its cluster: lost once the cluster did not answer, until an update has made good for it. */
export async function readLost<State extends Losable>(
  olds: State,
  look: (olds: State) => Promise<unknown>,
): Promise<State> {
  if (!olds.ownCluster) return olds;
  const lost = await look(olds).then(
    () => false,
    () => true,
  );
  return { ...olds, lost: olds.lost || lost };
}
