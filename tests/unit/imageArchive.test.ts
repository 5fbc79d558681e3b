import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { archiveSettings, loadImages, saveImages, type StackImages } from "../../cli/imageArchive";
import { loadEarly } from "../../providers/kind/earlyImages";
import { nodeImagesHandler } from "../../providers/kind/nodeImages";

/**
 * A Docker of text files, beside itself: `images` (what it has), `registry` (what can be pulled), `cluster` (what
 * `docker inspect` says of the nodes), `node-<name>` (what a node has), `log` (what it was asked to do).
 */
const FAKE = String.raw`#!/bin/bash
cd "$(dirname "$0")"
shopt -s extglob
touch images registry log
asked() { echo "$*" >> log; }
case "$1 $2" in
  "image inspect")
    for image in "${"${@:5}"}"; do
      grep -qxF "$image" images || { echo "Error response from daemon: No such image: $image" >&2; exit 1; }
      case $4 in
        *Entrypoint*) [[ $image == *node* ]] && echo '["/usr/local/bin/entrypoint","/sbin/init"]' || echo null ;;
        *) echo "sha256:$image" ;;
      esac
    done ;;
  "save --help") echo "--output string"; cat save-help 2>/dev/null; exit 0 ;;
  "version --format") echo linux/arm64 ;;
  pull*)
    asked "$@"
    grep -qxF "$2" registry || { echo "Pulling" >&2; echo "manifest for $2 not found" >&2; exit 1; }
    # by digest, an image has no tag
    [[ $2 == *@* ]] && echo "${"${2%%:*}"}@${"${2#*@}"}" >> images || echo "$2" >> images ;;
  tag*) asked "$@"; grep -qxF "$2" images && echo "$3" >> images ;;
  build*) asked "${"${@:1:5}"}"; [ -f no-build ] && { echo "base not found" >&2; exit 1; }; echo "$5" >> images ;;
  save*)
    asked "$@"
    if [[ $* == *--output* ]]; then
      printf '%s\n' "${"${@:2:$#-3}"}" > "${"${@: -1}"}"
      [ ! -f no-space ] || { echo "no space left on device" >&2; exit 1; }
    else printf '%s\n' "${"${@:2}"}"; fi ;;
  load*) asked "$@"; cat archived ;;
  "ps --all") cat ids 2>/dev/null || true ;;
  inspect*) cat cluster ;;
  exec*)
    shift
    [[ $1 == --interactive ]] && shift
    node=$1
    touch "node-$node"
    if [[ $2 == crictl ]]; then
      grep -qxF "$6" "node-$node" && echo "{\"status\":{\"id\":\"sha256:$6\"}}"
    elif [[ $5 == fetch ]]; then
      asked "$@"
      grep -qxF "$8" registry || { echo "$8: not found" >&2; exit 1; }
      echo "$8" >> "node-$node"
    elif [[ $5 == export ]]; then
      asked "$@"
      [ ! -f no-folder ] || { echo "read-only file system" >&2; exit 1; }
      mkdir -p folder; echo "$7" > "folder/${"${6##*/}"}"
    elif [[ $2 == rm ]]; then rm -f "folder/${"${4##*/}"}"
    elif [[ $2 == test ]]; then [ -f sees-folder ]
    elif [[ $7 == /* ]]; then asked "$@"; cat "folder/${"${7##*/}"}" >> "node-$node"
    else cat >> "node-$node"; fi ;;
  *) echo "unexpected: $*" >&2; exit 1 ;;
esac
`;

const DIGEST = `sha256:${"0".repeat(64)}`;
const IMAGES: StackImages = {
  node: `kindest/node:v1@${DIGEST}`,
  cilium: [`quay.io/c/cilium:v1@${DIGEST}`, "quay.io/c/operator-generic:v1"],
  nettool: { image: "cilium-modes/nettool:abc", baseImage: "debian:12-slim" },
};
const NAMES = ["kindest/node:v1", "quay.io/c/cilium:v1", "quay.io/c/operator-generic:v1", "cilium-modes/nettool:abc"];

let docker: string;
let archive: string;
let said: string[];
const path = process.env["PATH"];
const say = (line: string) => said.push(line);
const write = (file: string, lines: readonly string[]) =>
  writeFileSync(join(docker, file), lines.map((line) => `${line}\n`).join(""));
const LOG = { status: say, warn: say };
const asked = () => readFileSync(join(docker, "log"), "utf8").trim().split("\n").filter(Boolean);

beforeEach(() => {
  docker = mkdtempSync(join(tmpdir(), "cilium-modes-test-"));
  writeFileSync(join(docker, "docker"), FAKE);
  chmodSync(join(docker, "docker"), 0o755);
  process.env["PATH"] = [docker, path].join(delimiter);
  archive = join(docker, "archive.tar");
  said = [];
});
afterEach(() => {
  process.env["PATH"] = path;
  rmSync(docker, { recursive: true });
});

describe("saving images", () => {
  it("takes what Docker has, by its tags, in one archive", async () => {
    write("images", NAMES);
    await saveImages(IMAGES, archive, say);
    expect(asked()).toEqual([`save ${NAMES.join(" ")} --output ${archive}.part`]);
    expect(said).toEqual([`Saving ${NAMES.join(", ")} to ${archive}`]);
    expect(existsSync(archive)).toBe(true);
    expect(existsSync(`${archive}.part`)).toBe(false);
  });

  it("pulls what Docker lacks, by its digest where it has one, and builds what is built", async () => {
    write("registry", [IMAGES.node!, ...IMAGES.cilium]);
    await saveImages(IMAGES, archive, say);
    expect(asked().slice(0, -1)).toEqual([
      `pull ${IMAGES.node}`,
      `tag kindest/node@${DIGEST} kindest/node:v1`,
      `pull ${IMAGES.cilium[0]}`,
      `tag quay.io/c/cilium@${DIGEST} quay.io/c/cilium:v1`,
      `pull ${IMAGES.cilium[1]}`,
      "build --build-arg BASE_IMAGE=debian:12-slim --tag cilium-modes/nettool:abc",
    ]);
    expect(said.slice(0, -1)).toEqual([
      `Pulling ${IMAGES.node}`,
      `Pulling ${IMAGES.cilium[0]}`,
      `Pulling ${IMAGES.cilium[1]}`,
      "Building cilium-modes/nettool:abc from debian:12-slim",
    ]);
  });

  it("pulls nothing that Docker has without its tag, as kind leaves it", async () => {
    write("images", [`kindest/node@${DIGEST}`, ...NAMES.slice(1)]);
    await saveImages(IMAGES, archive, say);
    expect(asked()[0]).toBe(`tag kindest/node@${DIGEST} kindest/node:v1`);
    expect(asked()).toHaveLength(2);
  });

  it("has Envoy and a ready workload too, each image once, and a tag for a name without one", async () => {
    write("registry", ["quay.io/c/envoy:v1", "localhost:5000/tools:latest"]);
    write("images", NAMES.slice(0, 3));
    const nettool = { image: "localhost:5000/tools" };
    const cilium = [IMAGES.cilium[0]!, IMAGES.cilium[0]!, "quay.io/c/envoy:v1"];
    await saveImages({ ...IMAGES, cilium, nettool }, archive, say);
    expect(asked().at(-1)).toBe(
      `save kindest/node:v1 quay.io/c/cilium:v1 quay.io/c/envoy:v1 localhost:5000/tools:latest --output ${archive}.part`,
    );
  });

  it("saves Docker's own platform only, where Docker can tell platforms apart", async () => {
    write("images", NAMES);
    write("save-help", ["--platform string   Save only the given platform(s)"]);
    await saveImages(IMAGES, archive, say);
    expect(asked()[0]).toMatch(/^save --platform linux\/arm64 kindest/);
  });

  it("names every image that cannot be had, and leaves an earlier archive as it was", async () => {
    write("no-build", []);
    write("images", ["quay.io/c/operator-generic:v1"]);
    write("archive.tar", ["earlier"]);
    const envoy = `quay.io/c/envoy@${DIGEST}`;
    await expect(saveImages({ ...IMAGES, cilium: [...IMAGES.cilium, envoy] }, archive, say)).rejects.toThrow(
      [
        "These images cannot be saved:",
        `  - ${IMAGES.node}: manifest for ${IMAGES.node} not found`,
        `  - ${IMAGES.cilium[0]}: manifest for ${IMAGES.cilium[0]} not found`,
        `  - ${envoy}: an archive keeps only tags; write one before the digest, as in name:tag@sha256:…`,
        "  - cilium-modes/nettool:abc: base not found",
      ].join("\n"),
    );
    expect(readFileSync(archive, "utf8")).toBe("earlier\n");
  });

  it("that fails half way leaves nothing of it", async () => {
    write("images", NAMES);
    write("no-space", []);
    await expect(saveImages(IMAGES, archive, say)).rejects.toThrow("no space left on device");
    expect(readdirSync(docker).filter((file) => file.startsWith("archive"))).toEqual([]);
  });

  it("asks Docker nothing when the archive cannot be written", async () => {
    const nowhere = join(docker, "none", "a.tar");
    await expect(saveImages(IMAGES, nowhere, say)).rejects.toThrow(
      `${nowhere} cannot be written: there is no folder ${join(docker, "none")}`,
    );
    await expect(saveImages(IMAGES, docker, say)).rejects.toThrow(`${docker} is a folder; name a file`);
    expect(existsSync(join(docker, "log"))).toBe(false);
  });

  it("reports missing Docker once", async () => {
    process.env["PATH"] = "";
    await expect(saveImages(IMAGES, archive, say)).rejects.toThrow(
      /^Command could not be started .* docker image [^\n]*$/,
    );
  });

  it("ends when it is cancelled", async () => {
    await expect(saveImages(IMAGES, archive, say, AbortSignal.abort())).rejects.toThrow("aborted");
  });

  it("comes with the settings that the archive needs", () => {
    expect(archiveSettings(IMAGES)).toEqual({
      "cluster.nodeImage": "kindest/node:v1",
      "cilium.images.load": true,
      "nettool.image": "cilium-modes/nettool:abc",
      "nettool.loadImage": true,
    });
  });
});

describe("loading images", () => {
  const POD_IMAGES = NAMES.slice(1);
  beforeEach(() => {
    write("images", NAMES);
    write("archived", ["Loaded image ID: sha256:1", ...NAMES.map((name) => `Loaded image: ${name}`)]);
  });

  /** Nodes of the cluster `c`, by whether they run. */
  function nodes(running: Readonly<Record<string, boolean>>): void {
    write("ids", Object.keys(running));
    const containers = Object.entries(running).map(([name, Running]) => ({
      Id: name,
      Name: `/${name}`,
      State: { Running },
      Config: { Labels: {} },
      Mounts: [{ Destination: "/kind/images", Source: join(docker, "folder") }],
      NetworkSettings: { Networks: {} },
    }));
    write("cluster", [JSON.stringify(containers)]);
  }

  it("into Docker gives the archive's names", async () => {
    expect(await loadImages(archive, undefined, say)).toEqual(NAMES);
    expect(asked()).toEqual([`load --input ${archive}`]);
    expect(said).toEqual([`Loading ${archive} into Docker`, ...NAMES.map((name) => `Docker: ${name}`)]);
  });

  it("refuses an archive without names", async () => {
    write("archived", ["Loaded image ID: sha256:1"]);
    await expect(loadImages(archive, undefined, say)).rejects.toThrow(`${archive} does not hold an image with a name`);
  });

  it("into a cluster brings each running node what it lacks, but never a node image", async () => {
    nodes({ "c-control-plane": true, "c-worker": true, "c-worker2": true, "c-worker3": false });
    write("node-c-control-plane", POD_IMAGES);
    write("node-c-worker", POD_IMAGES.slice(0, 1));
    expect(await loadImages(archive, "c", say)).toEqual(NAMES);
    const [, ...rest] = POD_IMAGES;
    expect(said.slice(-6)).toEqual([
      "c-worker3: skipped, since it does not run",
      `Loading ${POD_IMAGES.join(", ")} into c-worker, c-worker2`,
      `c-control-plane: had ${POD_IMAGES.join(", ")}`,
      `c-worker: had ${POD_IMAGES[0]}`,
      `c-worker: loaded ${rest.join(", ")}`,
      `c-worker2: loaded ${POD_IMAGES.join(", ")}`,
    ]);

    said = [];
    await loadImages(archive, "c", say);
    expect(said.slice(-3)).toEqual(
      ["c-control-plane", "c-worker", "c-worker2"].map((node) => `${node}: had ${POD_IMAGES.join(", ")}`),
    );
    expect(asked().filter((line) => line.startsWith("save"))).toHaveLength(1);
  });

  it("goes by the folder that nodes have, and leaves nothing in it", async () => {
    mkdirSync(join(docker, "folder"));
    write("sees-folder", []);
    nodes({ "c-control-plane": true, "c-worker": true });
    await loadImages(archive, "c", say);
    const archives = asked().flatMap((line) => /--output .*\/folder\/(.*)$/.exec(line)?.slice(1) ?? []);
    expect(archives).toHaveLength(1);
    expect(
      asked()
        .filter((line) => line.includes("import"))
        .sort(),
    ).toEqual(
      ["c-control-plane", "c-worker"].map(
        (node) => `${node} ctr --namespace=k8s.io images import --no-unpack /kind/images/${archives[0]}`,
      ),
    );
    expect(readFileSync(join(docker, "node-c-worker"), "utf8").trim().split("\n")).toEqual(POD_IMAGES);
    expect(readdirSync(join(docker, "folder"))).toEqual([]);
  });

  it("goes by a stream where Docker does not see the folder", async () => {
    mkdirSync(join(docker, "folder"));
    nodes({ "c-control-plane": true });
    await loadImages(archive, "c", say);
    expect(asked().at(-1)).toBe(`save ${POD_IMAGES.join(" ")}`);
    expect(readFileSync(join(docker, "node-c-control-plane"), "utf8").trim().split("\n")).toEqual(POD_IMAGES);
    expect(readdirSync(join(docker, "folder"))).toEqual([]);
  });

  it("leaves no archive in the folder when Docker cannot write it", async () => {
    mkdirSync(join(docker, "folder"));
    write("sees-folder", []);
    write("no-space", []);
    nodes({ "c-control-plane": true });
    await expect(loadImages(archive, "c", say)).rejects.toThrow("no space left on device");
    expect(readdirSync(join(docker, "folder"))).toEqual([]);
  });

  it("into a cluster that is not there loads Docker, and says so", async () => {
    expect(await loadImages(archive, "c", say)).toEqual(NAMES);
    expect(said.at(-1)).toBe("No node of the cluster c runs; the images are in Docker only");
  });

  it("begins in a cluster that is being made once all its nodes answer", async () => {
    const early = loadEarly(
      { name: "c", workers: 1, images: POD_IMAGES, pulledImages: [] },
      LOG,
      new AbortController().signal,
    );
    nodes({ "c-control-plane": true });
    await sleep(700);
    expect(said).toEqual([]);
    nodes({ "c-control-plane": true, "c-worker": true });
    while (said.length === 0) await sleep(50);
    await early.finish();
    expect(readFileSync(join(docker, "node-c-worker"), "utf8").trim().split("\n")).toEqual(POD_IMAGES);
  });

  it("of a cluster that is being made is no reason to fail, nor to wait", async () => {
    write("images", []);
    nodes({ "c-control-plane": true });
    const { signal } = new AbortController();
    await loadEarly({ name: "c", workers: 3, images: POD_IMAGES, pulledImages: [] }, LOG, signal).finish();
    await loadEarly({ name: "c", workers: 3, images: POD_IMAGES, pulledImages: [] }, LOG, signal).giveUp();
    await loadEarly({ name: "c", workers: 0, images: POD_IMAGES, pulledImages: [] }, LOG, signal).finish();
    expect(said).toEqual([]);
  });

  describe("that nodes pull", () => {
    const AGENT = `quay.io/c/cilium@${DIGEST}`;
    const early = (pulledImages: readonly string[]) =>
      loadEarly({ name: "c", workers: 2, images: [], pulledImages }, LOG, new AbortController().signal);
    const THREE = { "c-control-plane": true, "c-worker": true, "c-worker2": true };
    /** Begin once all nodes answer, and end. */
    const pulled = async (...images: readonly string[]) => {
      nodes(THREE);
      const loading = early(images);
      await sleep(1500);
      await loading.finish();
    };
    const held = (node: string) =>
      readFileSync(join(docker, `node-${node}`), "utf8")
        .trim()
        .split("\n");

    it("pulls each once, by the name that the kubelet looks for, and copies it to the others", async () => {
      write("registry", [AGENT, "docker.io/library/busybox:latest"]);
      await pulled(`quay.io/c/cilium:v1@${DIGEST}`, "busybox");
      expect(
        asked()
          .filter((line) => line.includes("fetch"))
          .sort(),
      ).toEqual(
        ["docker.io/library/busybox:latest", AGENT].map(
          (name) => `c-control-plane ctr --namespace=k8s.io content fetch --hosts-dir /etc/containerd/certs.d ${name}`,
        ),
      );
      for (const node of Object.keys(THREE))
        expect(held(node).sort()).toEqual(["docker.io/library/busybox:latest", AGENT]);
      expect(readdirSync(join(docker, "folder"))).toEqual([]);
      expect(said).toContain(`Pulling quay.io/c/cilium:v1@${DIGEST} in c-control-plane`);
      expect(said).toContain("Copying busybox from c-control-plane to c-worker, c-worker2");
    });

    it("pulls nothing that a node holds, and asks nothing of nodes that hold it all", async () => {
      write("node-c-worker", ["quay.io/c/cilium:v1"]);
      write("node-c-control-plane", ["quay.io/c/cilium:v1"]);
      await pulled("quay.io/c/cilium:v1");
      expect(said).toEqual(["Copying quay.io/c/cilium:v1 from c-control-plane to c-worker2"]);
      write("node-c-worker2", ["quay.io/c/cilium:v1"]);
      said = [];
      await pulled("quay.io/c/cilium:v1");
      expect(said).toEqual([]);
    });

    it("leaves to the nodes what a registry refuses, and what no folder carries, without an error", async () => {
      write("registry", [AGENT]);
      write("no-folder", []);
      await pulled(`quay.io/c/cilium:v1@${DIGEST}`, "quay.io/c/absent:v1");
      expect(held("c-control-plane")).toEqual([AGENT]);
      expect(asked().some((line) => line.includes("import"))).toBe(false);
    });
  });

  it("is what the resource NodeImages does", async () => {
    nodes({ "c-control-plane": true });
    const inputs = { clusterName: "c", clusterInstance: "c/1", images: POD_IMAGES };
    const { state } = await nodeImagesHandler.create(inputs, LOG, new AbortController().signal);
    expect(state).toEqual({
      ...inputs,
      loaded: Object.fromEntries(POD_IMAGES.map((image) => [image, { "c-control-plane": `sha256:${image}` }])),
    });
    expect(said).toEqual([`Loading ${POD_IMAGES.join(", ")} into c-control-plane`]);
  });
});
