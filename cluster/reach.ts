/** How long this machine waits for an answer, in milliseconds, and how often it asks. */
const TIMEOUT = 4000;
const TRIES = 3;

/** Ask a URL from this machine, on connections of its own, until one is answered. @returns `ok` or what went wrong */
export async function reach(url: string): Promise<string> {
  let said = "";
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    said = await fetchOnce(url);
    if (said === "ok") return said;
  }
  return said;
}

async function fetchOnce(url: string): Promise<string> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT);
    const response = await fetch(url, { signal, headers: { connection: "close" } });
    await response.arrayBuffer();
    return response.ok ? "ok" : `status ${response.status}`;
  } catch (error) {
    const { name, message, cause } = error as Error;
    if (name === "TimeoutError") return `no answer within ${TIMEOUT / 1000} s`;
    return cause instanceof Error ? cause.message : message;
  }
}
