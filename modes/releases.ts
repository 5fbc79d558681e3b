/**
 * The Cilium release that the defaults install: the one that the laboratory tests run on.
 * Chart and images carry this version.
 */
export const DEFAULT_CILIUM_VERSION = "1.20.2";

/**
 * The Kubernetes release of the default nodes. 1.34 is the last minor whose kind image also runs on hosts
 * with cgroup v1, and the minor that the laboratory tests run on.
 */
export const DEFAULT_KUBERNETES_VERSION = "1.34.0";

/**
 * kind's node images by Kubernetes version, pinned by digest: each is the default image of a kind release, as
 * recorded in that release's `pkg/apis/config/defaults/image.go`
 * (https://github.com/kubernetes-sigs/kind/blob/v0.33.0/pkg/apis/config/defaults/image.go and its older tags).
 */
export const NODE_IMAGES: Readonly<Record<string, string>> = {
  "1.37.0": "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5",
  "1.36.1": "kindest/node:v1.36.1@sha256:3489c7674813ba5d8b1a9977baea8a6e553784dab7b84759d1014dbd78f7ebd5",
  "1.35.0": "kindest/node:v1.35.0@sha256:452d707d4862f52530247495d180205e029056831160e22870e37e3f6c1ac31f",
  "1.34.0": "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a",
  "1.33.1": "kindest/node:v1.33.1@sha256:050072256b9a903bd914c0b2866828150cb229cea0efe5892e2b644d5dd3b34f",
  "1.32.2": "kindest/node:v1.32.2@sha256:f226345927d7e348497136874b6d207e0b32cc52154ad8323129352923a3142f",
  "1.31.0": "kindest/node:v1.31.0@sha256:53df588e04085fd41ae12de0c3fe4c72f7013bba32a20e7325357a1ac94ba865",
  "1.30.0": "kindest/node:v1.30.0@sha256:047357ac0cfea04663786a612ba1eaba9702bef25227a794b52890dd8bcd692e",
};
