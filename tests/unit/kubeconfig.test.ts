import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { kubeconfigOf } from "../../settings/kubeconfig";

const CONFIG = {
  apiVersion: "v1",
  kind: "Config",
  "current-context": "one",
  contexts: [
    { name: "one", context: { cluster: "c1", user: "u1" } },
    { name: "two", context: { cluster: "c2", user: "u2", namespace: "n" } },
  ],
  clusters: [
    { name: "c1", cluster: { server: "https://one", "certificate-authority": "ca.pem" } },
    { name: "c2", cluster: { server: "https://two", "certificate-authority": "/etc/ca.pem" } },
  ],
  users: [
    { name: "u1", user: { "client-key": "keys/u1" } },
    { name: "u2", user: { token: "of two" } },
  ],
};

describe("the kubeconfig of an external cluster", () => {
  let folder: string;
  let file: string;
  const { KUBECONFIG } = process.env;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    file = join(folder, "config");
    writeFileSync(file, stringify(CONFIG));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    if (KUBECONFIG === undefined) delete process.env["KUBECONFIG"];
    else process.env["KUBECONFIG"] = KUBECONFIG;
  });

  it("holds one context, with absolute paths", () => {
    expect(parse(kubeconfigOf({ kubeconfig: file }))).toEqual({
      ...CONFIG,
      contexts: [CONFIG.contexts[0]],
      clusters: [{ name: "c1", cluster: { server: "https://one", "certificate-authority": join(folder, "ca.pem") } }],
      users: [{ name: "u1", user: { "client-key": join(folder, "keys/u1") } }],
    });
    expect(parse(kubeconfigOf({ kubeconfig: stringify(CONFIG), context: "two" }))).toEqual({
      ...CONFIG,
      "current-context": "two",
      contexts: [CONFIG.contexts[1]],
      clusters: [CONFIG.clusters[1]],
      users: [CONFIG.users[1]],
    });
  });

  it("comes from the files of KUBECONFIG that exist when only a context is set", () => {
    process.env["KUBECONFIG"] = `${join(folder, "none")}:${file}`;
    expect(parse(kubeconfigOf({ context: "two" }))).toMatchObject({ "current-context": "two" });
  });

  it("merges the files of KUBECONFIG, of which the first that sets a name wins", () => {
    const second = join(mkdtempSync(join(folder, "second-")), "config");
    writeFileSync(
      second,
      stringify({
        ...CONFIG,
        "current-context": "three",
        contexts: [
          { name: "three", context: { cluster: "c3", user: "u1" } },
          { name: "one", context: { cluster: "c3", user: "u1" } },
        ],
        clusters: [{ name: "c3", cluster: { server: "https://three", "certificate-authority": "ca.pem" } }],
        users: [{ name: "u1", user: { token: "other" } }],
      }),
    );
    // as kubectl leaves a file whose last context was deleted
    const empty = join(folder, "empty");
    writeFileSync(empty, stringify({ ...CONFIG, "current-context": "", contexts: null, clusters: null, users: null }));
    process.env["KUBECONFIG"] = `${empty}:${file}:${second}`;
    expect(parse(kubeconfigOf({ context: "three" }))).toMatchObject({
      clusters: [{ cluster: { server: "https://three", "certificate-authority": join(second, "../ca.pem") } }],
      users: [{ user: { "client-key": join(folder, "keys/u1") } }],
    });
    expect(parse(kubeconfigOf({}))).toMatchObject({
      "current-context": "one",
      contexts: [{ context: { cluster: "c1" } }],
    });
    expect(() => kubeconfigOf({ context: "four" })).toThrow(
      `${empty}:${file}:${second} has no context "four"; its contexts are: one, two, three`,
    );
  });

  it("is refused with what is missing, and without any part of its content", () => {
    const secret = stringify({ ...CONFIG, users: [{ name: "u1", user: { token: "secret-token" } }] });
    const cases: [Parameters<typeof kubeconfigOf>[0], RegExp][] = [
      [{ kubeconfig: join(folder, "nope") }, /^The kubeconfig \S+nope cannot be read \(ENOENT\)$/],
      [
        { kubeconfig: secret, context: "three" },
        /^cluster\.kubeconfig has no context "three"; its contexts are: one, two$/,
      ],
      [{ kubeconfig: secret.replace("current-context: one", "") }, /has no current context; set cluster\.context/],
      [{ kubeconfig: "secret-token".repeat(100) }, /is neither a path nor a kubeconfig; is it encoded\?$/],
      [{ kubeconfig: "secret-token: [\n" }, /^cluster\.kubeconfig is not a kubeconfig: it is not a YAML object$/],
      [
        { kubeconfig: `{"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "secret-token"}}]}` },
        /lacks the cluster of its context "x"$/,
      ],
    ];
    for (const [reference, words] of cases) {
      const read = () => kubeconfigOf(reference);
      expect(read).toThrow(words);
      expect(read).not.toThrow(/secret-token/);
    }
  });
});
