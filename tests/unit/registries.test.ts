import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { judgeSource } from "../../host/reach";
import { manifestPath, registryOf, registrySources } from "../../host/registries";
import type { RegistryEndpoint } from "../../modes/registryMirrors";
import { CERTIFICATE, KEY } from "./support/selfSigned";

describe("an image reference", () => {
  it.each([
    ["debian:12-slim", "docker.io", "/library/debian/manifests/12-slim"],
    ["kindest/node:v1.34.0@sha256:00", "docker.io", "/kindest/node/manifests/sha256:00"],
    ["docker.io/library/debian", "docker.io", "/library/debian/manifests/latest"],
    ["quay.io/cilium/cilium:v1.20.2", "quay.io", "/cilium/cilium/manifests/v1.20.2"],
    ["localhost:5000/a/b:1", "localhost:5000", "/a/b/manifests/1"],
    ["localhost/a", "localhost", "/a/manifests/latest"],
  ])("%s is in the registry %s, which has its manifest at %s", (image, registry, path) => {
    expect(registryOf(image)).toBe(registry);
    expect(manifestPath(image)).toBe(path);
  });
});

describe("registrySources", () => {
  const mirrors = {
    "quay.io": { endpoints: ["http://mirror:5000"] },
    _default: { endpoints: ["https://all.example/x"] },
  };
  const hostsOf = (images: string[], use: Parameters<typeof registrySources>[1]) =>
    registrySources(images, use).map(({ what, hosts }) => [what, hosts.map(({ name }) => name)]);

  it("groups images by registry, and lists its mirrors first, or those of _default", () => {
    const missing = ["debian:12-slim", "kindest/node:v1", "quay.io/cilium/cilium:v1"];
    expect(hostsOf(missing, {})).toEqual([
      ["registry docker.io", ["registry-1.docker.io"]],
      ["registry quay.io", ["quay.io"]],
    ]);
    expect(hostsOf(missing, mirrors)).toEqual([
      ["registry docker.io", ["all.example", "registry-1.docker.io"]],
      ["registry quay.io", ["mirror:5000", "quay.io"]],
    ]);
    expect(registrySources(missing, mirrors)[0]!.matters).toBe("all modes: 2 images are missing in Docker");
  });
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

describe("a mirror", () => {
  const servers: Server[] = [];
  const serve = async (server: Server): Promise<string> => {
    servers.push(server);
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** The finding about a registry with one mirror, whose own host does not respond. */
  const judge = async (endpoint: RegistryEndpoint) => {
    const found = await judgeSource(
      registrySources(["127.0.0.1:1/library/debian:12"], { "127.0.0.1:1": { endpoints: [endpoint] } })[0]!,
    );
    expect(JSON.stringify(found)).not.toMatch(/s3cret|czNjcmV0/);
    return found;
  };
  const judgeHttp = async (handler: Handler, endpoint: Partial<RegistryEndpoint> = {}, path = "") => {
    const host = await serve(createHttp(handler));
    const { verdict, seen, remedy } = await judge({ ...endpoint, url: `http://${host}${path}` });
    return { verdict, seen: seen.split("; ")[0]!.replace(host, "mirror"), remedy };
  };
  const CORRECT = "correct cluster.registryMirrors.127.0.0.1:1, or remove it";

  it("is asked for the image at the address that containerd asks", async () => {
    const asked: string[] = [];
    const handler: Handler = ({ method, url }, response) => {
      asked.push(`${method} ${url}`);
      response.end();
    };
    for (const path of ["", "/v2/dockerhub", "/hub"]) await judgeHttp(handler, {}, path);
    const manifest = "library/debian/manifests/12?ns=127.0.0.1:1";
    expect(asked).toEqual([`HEAD /v2/${manifest}`, `HEAD /v2/dockerhub/${manifest}`, `HEAD /hub/v2/${manifest}`]);
  });

  it("is not asked with a secret that only Pulumi can read", async () => {
    const asked = jest.fn();
    const found = await judgeHttp(asked, { authorization: "encrypted secret" });
    expect(found.seen).toBe("mirror was not asked, since only Pulumi can read its secret");
    expect(found.remedy).not.toBe(CORRECT);
    expect(asked).not.toHaveBeenCalled();
  });

  it("passes with the authorization that it wants", async () => {
    const handler: Handler = ({ headers }, response) =>
      response.writeHead(headers.authorization === "Basic czNjcmV0" ? 200 : 401).end();
    expect(await judgeHttp(handler, { authorization: "Basic czNjcmV0" })).toMatchObject({
      verdict: "pass",
      seen: "mirror responds",
    });
    const wrong = await judgeHttp(handler, { authorization: "Basic czNjcmV0Og==" });
    expect(wrong.seen).toMatch(/^mirror answers 401 \(Unauthorized\) to \/v2\/.*: it rejects the authorization$/);
    expect((await judgeHttp(handler)).seen).toMatch(/: set its authorization$/);
  });

  it("passes with the token that its challenge offers, for which it gets the authorization", async () => {
    const handler: Handler = ({ headers, url = "" }, response) => {
      if (url.startsWith("/token")) {
        const isFit = headers.authorization === "Basic czNjcmV0" && url.includes("scope=repository%3Adebian%3Apull");
        response.writeHead(isFit ? 200 : 403).end('{"token":"t"}');
      } else if (headers.authorization === "Bearer t") response.end();
      else {
        const challenge = `Bearer realm="http://${headers.host}/token",service="r",scope="repository:debian:pull"`;
        response.writeHead(401, { "www-authenticate": challenge }).end();
      }
    };
    expect((await judgeHttp(handler, { authorization: "Basic czNjcmV0" })).verdict).toBe("pass");
    expect((await judgeHttp(handler)).verdict).toBe("warning");
  });

  it.each([
    ["200 (OK)", (response: ServerResponse) => response.end("<html>Log in</html>")],
    ["200 (OK)", (response: ServerResponse) => response.end("null")],
    ["200 (OK)", (response: ServerResponse) => response.end('{"token":{}}')],
    ["302 (Found)", (response: ServerResponse) => response.writeHead(302, { location: "/login" }).end()],
    ["502 (Bad Gateway)", (response: ServerResponse) => response.writeHead(502).end("{}")],
  ])("whose token's server answers %s without a token is a warning that names it", async (status, answer) => {
    const found = await judgeHttp(({ headers, url = "" }, response) => {
      if (url.startsWith("/token")) answer(response);
      else {
        const realm = `http://bob:s3cret@${headers.host}/token`;
        response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}",service="r"` }).end();
      }
    });
    const seen = expect.stringMatching(/^mirror wants a token from http:\/\/127\.0\.0\.1:\d+\/token, which answers /);
    expect(found).toEqual({ verdict: "warning", seen, remedy: CORRECT });
    expect(found.seen).toMatch(`which answers ${status} without one`);
  });

  it("whose token's server does not respond is a warning that names it", async () => {
    const challenge = { "www-authenticate": 'Bearer realm="http://127.0.0.1:1/token",service="r"' };
    const { seen } = await judgeHttp((_request, response) => response.writeHead(401, challenge).end());
    expect(seen).toMatch(/^mirror wants a token from http:\/\/127\.0\.0\.1:1\/token, which does not respond \(/);
  });

  it.each([
    [404, /^mirror answers 404 \(Not Found\) to \/v2\/.*: it has no such image, or no registry at that path$/],
    [503, /^mirror answers 503 \(Service Unavailable\) to \/v2\/library\/debian\/manifests\/12\?ns=127\.0\.0\.1:1$/],
  ])("that answers %d is a warning with the address that was asked", async (status, seen) => {
    const found = await judgeHttp((_request, response) => response.writeHead(status).end());
    expect(found).toEqual({ verdict: "warning", seen: expect.stringMatching(seen), remedy: CORRECT });
  });

  it("is asked with its certificate authority", async () => {
    const host = await serve(createHttps({ cert: CERTIFICATE, key: KEY }, (_request, response) => response.end()));
    const url = `https://${host}`;
    const { seen, remedy } = await judge({ url });
    expect(seen).toMatch(/ fails in TLS \(self-signed certificate\); set its ca, or insecure: true; /);
    expect(remedy).toBe(CORRECT);
    expect((await judge({ url, ca: CERTIFICATE })).verdict).toBe("pass");
    expect((await judge({ url, insecure: true })).verdict).toBe("pass");
  });

  it("is asked with its client certificate", async () => {
    const options = { cert: CERTIFICATE, key: KEY, ca: CERTIFICATE, requestCert: true };
    const host = await serve(createHttps(options, (_request, response) => response.end()));
    const endpoint = { url: `https://${host}`, ca: CERTIFICATE };
    expect((await judge(endpoint)).verdict).toBe("warning");
    expect((await judge({ ...endpoint, clientCertificate: CERTIFICATE, clientKey: KEY })).verdict).toBe("pass");
    expect((await judge({ ...endpoint, clientCertificate: CERTIFICATE + KEY })).verdict).toBe("pass");
  });
});
