import semver from "semver";
import { ciliumArgs } from "../../settings/ciliumArgs";
import { has, minorOf, nearest } from "../../modes/ciliumVersion";
import { ciliumImages } from "../../modes/images";
import {
  DEFAULT_RELEASE,
  kubernetesOf,
  NODE_IMAGES,
  oldestKindFor,
  RELEASE_NAMES,
  RELEASES,
  untestedPair,
} from "../../modes/releases";
import { parse, problemsOf, warningsOf } from "./support/settings";
import { VERSIONS } from "./support/versions";

describe("the releases", () => {
  it.each(RELEASE_NAMES)("%s is a whole set: a known chart of that minor, and nodes pinned by digest", (name) => {
    const { cilium, kubernetes } = RELEASES[name];
    expect(minorOf(cilium)).toBe(name);
    expect(VERSIONS).toContain(cilium);
    const { image } = NODE_IMAGES[kubernetes]!;
    expect(image).toMatch(/^kindest\/node:v\d+\.\d+\.\d+@sha256:[0-9a-f]{64}$/);
    expect(kubernetesOf(image)).toBe(kubernetes);
    const settings = parse({ release: name });
    expect([settings.cilium.version, settings.cluster.nodeImage]).toEqual([cilium, image]);
  });

  it("have the newest as default", () => {
    expect([...RELEASE_NAMES].sort((a, b) => semver.rcompare(`${a}.0`, `${b}.0`))[0]).toBe(DEFAULT_RELEASE);
    expect(parse({}).release).toBe(DEFAULT_RELEASE);
  });

  it("of the articles are the articles' pairs", () => {
    expect(RELEASES["1.13"]).toEqual({ cilium: "1.13.0-rc5", kubernetes: "1.23.4" });
    expect(RELEASES["1.12"]).toEqual({ cilium: "1.12.4", kubernetes: "1.25.3" });
  });

  it("let each member be set alone", () => {
    const settings = parse({ release: "1.13", "cilium.version": "1.13.18", "cluster.kubernetesVersion": "1.26.3" });
    expect(settings.cilium.version).toBe("1.13.18");
    expect(settings.cluster.nodeImage).toBe(NODE_IMAGES["1.26.3"]!.image);
    expect(parse({ release: "1.13", "cluster.nodeImage": "own:1" }).cluster.nodeImage).toBe("own:1");
  });

  it("are on Cilium's list of tested pairs, but for the article's own 1.12.4 on 1.25.3", () => {
    const warned = RELEASE_NAMES.filter((release) => warningsOf({ release }).length > 0);
    expect(warned).toEqual(["1.12"]);
    expect(warningsOf({ release: "1.12" })).toEqual([
      "cilium.version: Cilium 1.12 is tested with Kubernetes 1.16 to 1.24, not with 1.25; it may work all the same",
    ]);
  });
});

describe("versions that do not go together, or are not known", () => {
  it.each([
    ["1.20.2", "1.33.1", true],
    ["1.20.2", "1.37.0", false],
    ["1.13.0-rc5", "1.23.4", true],
    ["1.15.19", "1.23.4", false],
    ["1.25.0", "1.23.4", true],
  ])("Cilium %s with Kubernetes %s: nothing to say is %s", (cilium, kubernetes, fine) => {
    expect(untestedPair(cilium, kubernetes) === undefined).toBe(fine);
  });

  it("are a warning by the tag of a node image of one's own, and nothing where it has none", () => {
    const pair = (image: string) => warningsOf({ "cluster.nodeImage": image });
    expect(pair("mine/node:v1.23.4")).toEqual([
      expect.stringContaining("is tested with Kubernetes 1.33 to 1.36, not with 1.23"),
    ]);
    expect(pair("mine/node:latest")).toEqual([]);
  });

  it("are an error below 1.12, and a warning above 1.20", () => {
    expect(problemsOf({ "cilium.version": "1.11.20" })).toEqual([
      "  - cilium.version: 1.11.20 is older than 1.12.0, the oldest Cilium whose modes are known here",
    ]);
    expect(warningsOf({ "cilium.version": "1.21.0" })).toEqual([
      "cilium.version: is newer than 1.20, the newest Cilium whose rules are known here; those of 1.20 are used",
    ]);
    expect(warningsOf({ "cilium.version": "1.20.99" })).toEqual([]);
  });

  it("that are no versions are told the form", () => {
    for (const version of ["1.20", "v1.20.2", "1.20.x", "latest"])
      expect(problemsOf({ "cilium.version": version })).toEqual([
        `  - cilium.version: must be a version without v, such as 1.20.2, got "${version}"`,
      ]);
  });

  it("a release that YAML has read as a number is told in quotes", () => {
    expect(problemsOf({ release: "1.2" })).toEqual([
      expect.stringMatching(/in quotes, got "1\.2"; did you mean "1\.20"\?$/),
    ]);
  });

  it("a cluster's name may be longer where the chart does not check it", () => {
    const name = "cilium-kubeproxy-replacement-ebpf";
    expect(parse({ release: "1.13", "cluster.name": name }).cluster.name).toHaveLength(33);
    expect(parse({ release: "1.15", "cluster.name": name }).cluster.name).toHaveLength(33);
    expect(problemsOf({ release: "1.16", "cluster.name": name })).toEqual([
      expect.stringContaining("cluster.name: must have at most 32 characters with Cilium 1.16.19"),
    ]);
    expect(problemsOf({ release: "1.13", "cluster.name": "c".repeat(50) })).toEqual([
      expect.stringContaining("cluster.name: must have at most 49 characters with Cilium 1.13.0-rc5"),
    ]);
  });
});

describe("images that are loaded into nodes", () => {
  it("are asked for by tag, whatever the chart's digests", () => {
    expect(ciliumArgs(parse({ "cilium.images.load": "true" })).images).toEqual({
      agent: { useDigest: false },
      operator: { useDigest: false },
      envoy: { useDigest: false },
    });
    expect(problemsOf({ "cilium.images.load": "true", "cilium.images.agent": '{"useDigest":true}' })).toEqual([
      "  - cilium.images.agent.useDigest: must be false with cilium.images.load: nodes cannot find a loaded image by its digest",
    ]);
  });

  it("are Hubble's too, whose UI needs a relay and a version whose tags are known", () => {
    expect(problemsOf({ "hubble.ui": "true" })).toEqual([
      "  - hubble.ui: needs hubble.relay: true, which it asks for the flows",
    ]);
    const hubble = { "hubble.relay": "true", "hubble.ui": "true", "cilium.images.load": "true" };
    expect(ciliumImages(ciliumArgs(parse(hubble)))).toMatchObject({
      relay: "quay.io/cilium/hubble-relay:v1.20.2",
      uiBackend: expect.stringMatching(/^quay\.io\/cilium\/hubble-ui-backend:v[\d.]+$/),
    });
    const newer = { ...hubble, "cilium.version": "1.22.0", "cilium.values.envoy.enabled": "false" };
    expect(problemsOf(newer)).toEqual([
      "  - hubble.ui: must be false with cilium.images.load: its tag in the chart of Cilium 1.22.0 is not known here",
    ]);
  });

  it("need a tag for Envoy where the chart's is not known", () => {
    const newer = { "cilium.images.load": "true", "cilium.version": "1.22.0" };
    expect(problemsOf(newer)).toEqual([expect.stringMatching(/^ {2}- cilium\.images\.envoy\.tag: must be set/)]);
    expect(parse({ ...newer, "cilium.images.envoy.tag": "t" }).cilium.version).toBe("1.22.0");
    expect(parse({ ...newer, "cilium.values.envoy.enabled": "false" }).cilium.version).toBe("1.22.0");
  });
});

describe("the oldest kind for a node image", () => {
  it.each([
    [NODE_IMAGES["1.23.4"]!.image, "0.32.0"],
    [NODE_IMAGES["1.37.0"]!.image, "0.33.0"],
    ["mine/node:v1.40.0", "0.32.0"],
  ])("%s is %s", (image, kind) => {
    expect(oldestKindFor(image)).toBe(kind);
  });
});

describe("what came with several patch releases", () => {
  const since = ["1.12.11", "1.13.4"];
  it.each([
    ["1.12.10", false],
    ["1.12.11", true],
    ["1.13.0", false],
    ["1.13.3", false],
    ["1.13.4", true],
    ["1.14.0-rc.0", true],
    ["1.11.0", false],
  ])("is in %s: %s", (version, expected) => {
    expect(has(since, version)).toBe(expected);
  });

  it("a version between known ones has the rules of its own minor", () => {
    expect(nearest(["1.15.0", "1.15.8", "1.16.0"], "1.15.5")).toBe("1.15.8");
    expect(nearest(["1.15.0", "1.15.8", "1.16.0"], "1.15.99")).toBe("1.15.8");
    expect(nearest(["1.15.0", "1.15.8"], "1.17.0")).toBe("1.15.8");
  });
});
