import { apiErrorLine } from "../../cluster/apiError";

const answer = (code: number, body: unknown) =>
  Object.assign(new Error(`HTTP-Code: ${code}\nMessage: …`), { code, body });

describe("an API server's error in one line", () => {
  it.each([
    [
      answer(
        403,
        '{"kind":"Status","status":"Failure","message":"nodes is forbidden: User \\"reader\\" cannot list resource","code":403}',
      ),
      'the API server answered 403: nodes is forbidden: User "reader" cannot list resource',
    ],
    [answer(502, "Bad Gateway\n"), "the API server answered 502: Bad Gateway"],
    [
      answer(500, { message: "etcdserver: request timed out" }),
      "the API server answered 500: etcdserver: request timed out",
    ],
    [answer(404, "{}"), "the API server answered 404: {}"],
    [
      new Error("Unexpected server response: 403"),
      "the API server answered 403: this account may not run commands in pods (pods/exec)",
    ],
    [new Error("connect ECONNREFUSED 127.0.0.1:6443"), "connect ECONNREFUSED 127.0.0.1:6443"],
  ])("%#: is what the API server says, without what surrounds it", (error, line) => {
    expect(apiErrorLine(error)).toBe(line);
  });
});
