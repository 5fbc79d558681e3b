/** An API server's error in one line; the client's own message contains the whole response. */
export function apiErrorLine(error: Error): string {
  if (!("code" in error && "body" in error)) return error.message;
  const { code, body } = error;
  return `the API server answered ${String(code)}: ${typeof body === "string" ? body.trim() : JSON.stringify(body)}`;
}
