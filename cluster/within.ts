import { setTimeout as sleep } from "node:timers/promises";

/** Wait for a promise. @throws Error `<what> within <seconds> s` on timeout */
export async function within<T>(seconds: number, promise: Promise<T>, what = "no answer"): Promise<T> {
  const done = new AbortController();
  const late = sleep(seconds * 1000, undefined, { signal: done.signal }).then(() => {
    throw new Error(`${what} within ${seconds} s`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    done.abort();
  }
}
