import type { V1Pod } from "@kubernetes/client-node";
import type { ClusterReader } from "../../datapath/cluster";
import type { ExecResult } from "../../datapath/podExec";
import { withNodePods } from "../../datapath/nodePods";

const podOn = (node: string, name = `pod-on-${node}`): V1Pod => ({
  metadata: { name },
  spec: { nodeName: node, containers: [] },
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
