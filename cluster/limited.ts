/** How many nodes are asked at the same time: more would not be faster, and every answer takes memory until it is judged. */
const AT_ONCE = 32;

/** Do something with every item, with at most some at the same time. @returns the results, in the order of the items */
export async function limited<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
  atOnce = AT_ONCE,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  // all workers take from the same iterator
  const open = items.entries();
  const worker = async () => {
    for (const [index, item] of open) results[index] = await work(item, index);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
