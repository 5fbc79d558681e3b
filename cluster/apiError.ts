/** An API server's error in one line; the client's own message contains the whole response. */
export function apiErrorLine(error: Error): string {
  // the client that opens a connection into a pod tells no more
  if (error.message === "Unexpected server response: 403")
    return "the API server answered 403: this account may not run commands in pods (pods/exec)";
  if (!("code" in error && "body" in error)) return error.message;
  const { code, body } = error;
  const said = typeof body === "string" ? body.trim() : JSON.stringify(body);
  return `the API server answered ${String(code)}: ${messageIn(said) ?? said}`;
}

/** The message of a Status, with which API servers refuse requests; undefined for anything else. */
function messageIn(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === "string" && message !== "" ? message : undefined;
  } catch {
    return undefined;
  }
}
