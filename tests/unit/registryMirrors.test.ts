import {
  apiRoot,
  endpointUrlProblem,
  hasCredentials,
  registryFiles,
  repeatedEndpoint,
  withPemContents,
  type RegistryEndpoint,
} from "../../modes/registryMirrors";

const PEM = "-----BEGIN CERTIFICATE-----\n";

describe("the files of a registry on nodes", () => {
  const tomlOf = (host: string, endpoints: (string | RegistryEndpoint)[], insecure?: boolean) => {
    const files = registryFiles(host, { endpoints, insecure });
    // containerd may read hosts.toml as soon as it is there
    expect(files.at(-1)!.name).toBe("hosts.toml");
    return files.at(-1)!.content;
  };

  it("direct pulls to the mirrors in their order, then to the registry", () => {
    expect(tomlOf("docker.io", ["https://a.example", "http://b.example:5000/"], true)).toBe(
      `server = "https://registry-1.docker.io"

[host."https://a.example"]
  capabilities = ["pull", "resolve"]
  skip_verify = true

[host."http://b.example:5000"]
  capabilities = ["pull", "resolve"]
  skip_verify = true
`,
    );
    expect(tomlOf("harbor.example", ["https://m"], false)).toBe(
      'server = "https://harbor.example"\n\n[host."https://m"]\n  capabilities = ["pull", "resolve"]\n',
    );
  });

  it("name no server for _default, which stands for every registry", () => {
    expect(tomlOf("_default", ["https://m"])).toMatch(/^\[host\."https:\/\/m"\]/);
  });

  it("hold certificates, a key and the header of each endpoint", () => {
    const own = {
      url: "https://b",
      ca: "CA",
      clientCertificate: "CERT",
      clientKey: "KEY",
      authorization: "Basic eA==",
    };
    const files = registryFiles("quay.io", {
      endpoints: ["https://a", own, { url: "https://c", clientCertificate: "BOTH" }],
    });
    expect(files.slice(0, -1).map(({ name, content }) => [name, content])).toEqual([
      ["1-ca.crt", "CA"],
      ["1-client.cert", "CERT"],
      ["1-client.key", "KEY"],
      ["2-client.cert", "BOTH"],
    ]);
    const folder = "/etc/containerd/certs.d/quay.io";
    expect(files.at(-1)!.content.split("\n\n").slice(2)).toEqual([
      `[host."https://b"]
  capabilities = ["pull", "resolve"]
  ca = "${folder}/1-ca.crt"
  client = [["${folder}/1-client.cert", "${folder}/1-client.key"]]
[host."https://b".header]
  Authorization = "Basic eA=="`,
      `[host."https://c"]
  capabilities = ["pull", "resolve"]
  client = ["${folder}/2-client.cert"]
`,
    ]);
  });

  it.each<[RegistryEndpoint, boolean, string]>([
    [{ url: "https://m" }, false, "https://m/v2"],
    [{ url: "https://m/" }, false, "https://m/v2"],
    [{ url: "https://v2" }, false, "https://v2/v2"],
    [{ url: "https://m/v2/" }, false, "https://m/v2"],
    [{ url: "https://m/api/docker/hub" }, false, "https://m/api/docker/hub/v2"],
    [{ url: "https://m/v2/dockerhub/" }, true, "https://m/v2/dockerhub"],
    [{ url: "https://m/v2/dockerhub", overridePath: false }, false, "https://m/v2/dockerhub/v2"],
    [{ url: "https://m/hub", overridePath: true }, true, "https://m/hub"],
  ])("override the path of %j: %s, so that containerd asks %s", (endpoint, overrides, root) => {
    expect(tomlOf("docker.io", [endpoint]).includes("override_path = true")).toBe(overrides);
    expect(apiRoot(endpoint)).toBe(root);
  });
});

describe("mirrors", () => {
  it.each<[Omit<RegistryEndpoint, "url">, boolean]>([
    [{}, false],
    [{ ca: PEM, insecure: true }, false],
    [{ authorization: "Basic eA==" }, true],
    [{ clientCertificate: PEM }, true],
  ])("with %j are a secret: %s", (fields, expected) => {
    expect(hasCredentials({ "docker.io": { endpoints: ["http://a", { url: "https://b", ...fields }] } })).toBe(
      expected,
    );
  });

  it("get the contents of the files that they name, and keep contents", () => {
    const asked: string[] = [];
    const read = (path: string, setting: string) => {
      asked.push(`${setting} ${path}`);
      return PEM;
    };
    const endpoints = ["http://a", { url: "https://b", ca: "./ca.crt", clientKey: `${PEM}own` }];
    expect(withPemContents({ "quay.io": { endpoints, insecure: false } }, read)).toEqual({
      "quay.io": { endpoints: ["http://a", { url: "https://b", ca: PEM, clientKey: `${PEM}own` }], insecure: false },
    });
    expect(asked).toEqual(["cluster.registryMirrors.quay.io.endpoints.1.ca ./ca.crt"]);
  });

  it.each<[readonly (string | RegistryEndpoint)[], number | undefined]>([
    [["https://m", "https://m:443/"], 1],
    [["http://a", "http://m/x", { url: "http://M:80/x", authorization: "Basic eA==" }], 2],
    [["https://m/v2/", "https://m"], 1],
    [["https://m/x", { url: "https://m/x", overridePath: true }], 1],
    [["https://m", "http://m", "https://m:5000", "https://m/x", "http://m:443"], undefined],
  ])("%j have the same address at the index %s", (endpoints, index) => {
    expect(repeatedEndpoint(endpoints)).toBe(index);
  });

  it.each([
    ["https://harbor.example/v2/dockerhub", undefined],
    ["http://[::1]:5000", undefined],
    ["http:///path", "must be an http or https URL"],
    ["ftp://a", "must be an http or https URL"],
    ["https://bob:pw@a", expect.stringMatching(/^must have no user and password, .* set authorization to Basic /)],
    ["https://a?project=x", "must have no query and no fragment, which containerd ignores"],
  ])("may have the URL %s, or not: %s", (url, problem) => {
    expect(endpointUrlProblem(url)).toEqual(problem);
  });
});
