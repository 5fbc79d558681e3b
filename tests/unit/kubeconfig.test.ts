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

describe("the kubeconfig of a cluster that exists", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
    file = join(folder, "config");
    writeFileSync(file, stringify(CONFIG));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("has one context of it, and whole paths", () => {
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

  it("is looked for where kubectl looks, when only a context is named", () => {
    const { KUBECONFIG } = process.env;
    process.env["KUBECONFIG"] = `${join(folder, "none")}:${file}`;
    try {
      expect(parse(kubeconfigOf({ context: "two" }))).toMatchObject({ "current-context": "two" });
    } finally {
      if (KUBECONFIG === undefined) delete process.env["KUBECONFIG"];
      else process.env["KUBECONFIG"] = KUBECONFIG;
    }
  });

  it("says what is missing, and nothing of what is in it", () => {
    const secret = stringify({ ...CONFIG, users: [{ name: "u1", user: { token: "secret-token" } }] });
    const cases: [Parameters<typeof kubeconfigOf>[0], RegExp][] = [
      [{ kubeconfig: join(folder, "nope") }, /^The kubeconfig \S+nope cannot be read \(ENOENT\)$/],
      [
        { kubeconfig: secret, context: "three" },
        /^cluster\.kubeconfig has no context "three"; known there are one, two$/,
      ],
      [{ kubeconfig: secret.replace("current-context: one", "") }, /has no current context; set cluster\.context/],
      [{ kubeconfig: "secret-token".repeat(100) }, /is neither a path nor a kubeconfig; is it encoded\?$/],
      [{ kubeconfig: "secret-token: [\n" }, /^cluster\.kubeconfig is no kubeconfig: it is no YAML object$/],
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
