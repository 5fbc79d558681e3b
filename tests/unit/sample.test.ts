import type { V1Node, V1Pod } from "@kubernetes/client-node";
import type { Expectation } from "../../datapath/checks/check";
import type { ClusterReader } from "../../datapath/cluster";
import type { ExecResult } from "../../datapath/podExec";
import { withNodePods } from "../../datapath/nodePods";
import { sampleOf } from "../../datapath/sample";

const names = (count: number) => Array.from({ length: count }, (_, index) => `node-${index}`);
const podOn = (node: string, name = `pod-on-${node}`): V1Pod => ({
  metadata: { name },
  spec: { nodeName: node, containers: [] },
});

/** A cluster of so many nodes, a pod on each. */
function clusterOf(count: number): ClusterReader {
  const nodes = names(count);
  return {
    nodes: async () => nodes.map((name): V1Node => ({ metadata: { name } })),
    pods: async () => nodes.map((node) => podOn(node)),
    allPods: async () => nodes.map((node) => podOn(node)),
    ciliumPodCidrs: async () => new Map(nodes.map((node) => [node, ["10.0.0.0/24"]])),
    healthAddresses: async () => nodes.map((node) => ({ node, nodeAddress: undefined, endpointAddress: undefined })),
  } as unknown as ClusterReader;
}

const expectation = (nodeCount: number | undefined) => ({ nodeCount }) as Expectation;

describe("the sample of a large cluster", () => {
  it("is spread over all nodes, the same for everything that is read", async () => {
    const { cluster, expectation: expected, nodes } = await sampleOf(clusterOf(300), expectation(300), 4);
    const chosen = ["node-0", "node-75", "node-150", "node-225"];
    expect((await cluster.nodes()).map(({ metadata }) => metadata!.name)).toEqual(chosen);
    expect((await cluster.pods("", "")).map(({ spec }) => spec!.nodeName)).toEqual(chosen);
    expect((await cluster.allPods()).map(({ spec }) => spec!.nodeName)).toEqual(chosen);
    expect([...(await cluster.ciliumPodCidrs()).keys()]).toEqual(chosen);
    expect((await cluster.healthAddresses()).map(({ node }) => node)).toEqual(chosen);
    expect(expected.nodeCount).toBe(4);
    expect(nodes).toEqual({ looked: 4, all: 300 });
  });

  it("still misses a node that is not there at all", async () => {
    expect((await sampleOf(clusterOf(299), expectation(300), 4)).expectation.nodeCount).toBe(5);
    expect((await sampleOf(clusterOf(299), expectation(undefined), 4)).expectation.nodeCount).toBeUndefined();
  });

  it("is the whole of a small one, and nothing where nobody answers", async () => {
    const small = clusterOf(4);
    expect(await sampleOf(small, expectation(4), 4)).toEqual({
      cluster: small,
      expectation: expectation(4),
      nodes: { looked: 4, all: 4 },
    });
    const dead = { nodes: () => Promise.reject(new Error("away")) } as unknown as ClusterReader;
    expect(await sampleOf(dead, expectation(4), 4)).toEqual({ cluster: dead, expectation: expectation(4) });
  });
});

describe("commands on the nodes of a cluster that exists", () => {
  const clusterWith = (pods: V1Pod[], answer: ExecResult, asked: (readonly string[])[] = []): ClusterReader =>
    ({
      pods: async () => pods,
      exec: async (_namespace: string, pod: string, _container: string, command: readonly string[]) => {
        asked.push([pod, ...command]);
        return answer;
      },
    }) as unknown as ClusterReader;
  const done = { exitCode: 0, stdout: "table ip nat\n", stderr: "" };

  it("are run in the node's own namespaces by the pod there", async () => {
    const asked: (readonly string[])[] = [];
    const { onNode } = await withNodePods(clusterWith([podOn("a", "pa"), podOn("b", "pb")], done, asked));
    expect(await onNode!("b", ["nft", "list", "tables"])).toBe("table ip nat\n");
    expect(asked).toEqual([["pb", "nsenter", "--target", "1", "--mount", "--net", "--", "nft", "list", "tables"]]);
  });

  it("say what went wrong", async () => {
    const failed = { exitCode: 3, stdout: "", stderr: "no such thing\n" };
    const { onNode } = await withNodePods(clusterWith([podOn("a")], failed));
    await expect(onNode!("a", ["nft"])).rejects.toThrow("nft ended with 3 on a: no such thing");
    await expect(onNode!("b", ["nft"])).rejects.toThrow("nettool-node does not run on b");
  });

  it("are not to be had without the pods", async () => {
    expect((await withNodePods(clusterWith([], done))).onNode).toBeUndefined();
  });
});
