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

describe("releases", () => {
  it.each(RELEASE_NAMES)("%s has a known chart of its minor and node images pinned by digest", (name) => {
    const { cilium, kubernetes } = RELEASES[name];
    expect(minorOf(cilium)).toBe(name);
    expect(VERSIONS).toContain(cilium);
    const { image } = NODE_IMAGES[kubernetes]!;
    expect(image).toMatch(/^kindest\/node:v\d+\.\d+\.\d+@sha256:[0-9a-f]{64}$/);
    expect(kubernetesOf(image)).toBe(kubernetes);
    const settings = parse({ release: name });
    expect([settings.cilium.version, settings.cluster.nodeImage]).toEqual([cilium, image]);
  });

  it("have the newest one as default", () => {
    expect([...RELEASE_NAMES].sort((a, b) => semver.rcompare(`${a}.0`, `${b}.0`))[0]).toBe(DEFAULT_RELEASE);
    expect(parse({}).release).toBe(DEFAULT_RELEASE);
  });

  it("1.13 and 1.12 have the versions of the articles", () => {
    expect(RELEASES["1.13"]).toEqual({ cilium: "1.13.0-rc5", kubernetes: "1.23.4" });
    expect(RELEASES["1.12"]).toEqual({ cilium: "1.12.4", kubernetes: "1.25.3" });
  });

  it("allow to set each version separately", () => {
    const settings = parse({ release: "1.13", "cilium.version": "1.13.18", "cluster.kubernetesVersion": "1.26.3" });
    expect(settings.cilium.version).toBe("1.13.18");
    expect(settings.cluster.nodeImage).toBe(NODE_IMAGES["1.26.3"]!.image);
    expect(parse({ release: "1.13", "cluster.nodeImage": "own:1" }).cluster.nodeImage).toBe("own:1");
  });

  it("are pairs that Cilium tests, except the article's 1.12.4 on 1.25.3", () => {
    const warned = RELEASE_NAMES.filter((release) => warningsOf({ release }).length > 0);
    expect(warned).toEqual(["1.12"]);
    expect(warningsOf({ release: "1.12" })).toEqual([
      "cilium.version: Cilium 1.12 is tested with Kubernetes 1.16 to 1.24, not with 1.25; it may work nevertheless",
    ]);
  });
});

describe("untested and unknown versions", () => {
  it.each([
    ["1.20.2", "1.33.1", true],
    ["1.20.2", "1.37.0", false],
    ["1.13.0-rc5", "1.23.4", true],
    ["1.15.19", "1.23.4", false],
    ["1.25.0", "1.23.4", true],
  ])("Cilium %s with Kubernetes %s is accepted without a warning: %s", (cilium, kubernetes, fine) => {
    expect(untestedPair(cilium, kubernetes) === undefined).toBe(fine);
  });

  it("cause a warning for the version in a custom node image's tag, if it has one", () => {
    const pair = (image: string) => warningsOf({ "cluster.nodeImage": image });
    expect(pair("mine/node:v1.23.4")).toEqual([
      expect.stringContaining("is tested with Kubernetes 1.33 to 1.36, not with 1.23"),
    ]);
    expect(pair("mine/node:latest")).toEqual([]);
  });

  it("cause an error below 1.12, and a warning above 1.20", () => {
    expect(problemsOf({ "cilium.version": "1.11.20" })).toEqual([
      "  - cilium.version: 1.11.20 is older than 1.12.0, the oldest supported Cilium",
    ]);
    expect(warningsOf({ "cilium.version": "1.21.0" })).toEqual([
      "cilium.version: is newer than 1.20, the newest supported Cilium; the rules of 1.20 apply",
    ]);
    expect(warningsOf({ "cilium.version": "1.20.99" })).toEqual([]);
  });

  it("may have the v of an image's tag", () => {
    expect(parse({ "cilium.version": "v1.20.2" })).toEqual(parse({ "cilium.version": "1.20.2" }));
  });

  it("are rejected if they are not versions", () => {
    for (const version of ["1.20", "vv1.20.2", "1.20.x", "latest"])
      expect(problemsOf({ "cilium.version": version })).toEqual([
        `  - cilium.version: must be a version such as 1.20.2, got "${version}"`,
      ]);
  });

  it("include a release that YAML reads as a number, which needs quotes", () => {
    expect(problemsOf({ release: "1.2" })).toEqual([
      expect.stringMatching(/in quotes, got "1\.2"; did you mean "1\.20"\?$/),
    ]);
  });

  it("limit the length of cluster.name", () => {
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

describe("cilium.images.load", () => {
  it("refers to images by tag, without the chart's digests", () => {
    expect(ciliumArgs(parse({ "cilium.images.load": "true" })).images).toEqual({
      agent: { useDigest: false },
      operator: { useDigest: false },
      envoy: { useDigest: false },
    });
    expect(problemsOf({ "cilium.images.load": "true", "cilium.images.agent": '{"useDigest":true}' })).toEqual([
      "  - cilium.images.agent.useDigest: must be false with cilium.images.load: nodes cannot find a loaded image by its digest",
    ]);
  });

  it("includes Hubble's images, and requires a version whose tags are known for the UI", () => {
    expect(problemsOf({ "hubble.ui": "true" })).toEqual([
      "  - hubble.ui: requires hubble.relay: true, from which it reads the flows",
    ]);
    const hubble = { "hubble.relay": "true", "hubble.ui": "true", "cilium.images.load": "true" };
    expect(ciliumImages(ciliumArgs(parse(hubble)))).toMatchObject({
      relay: "quay.io/cilium/hubble-relay:v1.20.2",
      uiBackend: expect.stringMatching(/^quay\.io\/cilium\/hubble-ui-backend:v[\d.]+$/),
    });
    const newer = { ...hubble, "cilium.version": "1.22.0", "cilium.values.envoy.enabled": "false" };
    expect(problemsOf(newer)).toEqual([
      "  - hubble.ui: must be false with cilium.images.load: its tag in the chart of Cilium 1.22.0 is unknown",
    ]);
  });

  it("requires a tag for Envoy if the chart's is unknown", () => {
    const newer = { "cilium.images.load": "true", "cilium.version": "1.22.0" };
    expect(problemsOf(newer)).toEqual([expect.stringMatching(/^ {2}- cilium\.images\.envoy\.tag: must be set/)]);
    expect(parse({ ...newer, "cilium.images.envoy.tag": "t" }).cilium.version).toBe("1.22.0");
    expect(parse({ ...newer, "cilium.values.envoy.enabled": "false" }).cilium.version).toBe("1.22.0");
  });
});

describe("oldestKindFor", () => {
  it.each([
    [NODE_IMAGES["1.23.4"]!.image, "0.32.0"],
    [NODE_IMAGES["1.37.0"]!.image, "0.33.0"],
    ["mine/node:v1.40.0", "0.32.0"],
  ])("%s is %s", (image, kind) => {
    expect(oldestKindFor(image)).toBe(kind);
  });
});

describe("a change that several patch releases have", () => {
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

  it("applies to a version between known ones by the rules of its minor", () => {
    expect(nearest(["1.15.0", "1.15.8", "1.16.0"], "1.15.5")).toBe("1.15.8");
    expect(nearest(["1.15.0", "1.15.8", "1.16.0"], "1.15.99")).toBe("1.15.8");
    expect(nearest(["1.15.0", "1.15.8"], "1.17.0")).toBe("1.15.8");
  });
});
