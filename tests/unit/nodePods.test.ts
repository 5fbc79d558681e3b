import type { V1Pod } from "@kubernetes/client-node";
import type { ClusterReader } from "../../cluster/read";
import type { ExecResult } from "../../cluster/podExec";
import { withNodePods } from "../../cluster/nodePods";

const podOn = (node: string, name = `pod-on-${node}`): V1Pod => ({
  metadata: { name },
  spec: { nodeName: node, containers: [] },
});

describe("node commands in an external cluster", () => {
  const clusterWith = (pods: V1Pod[], answer: ExecResult, asked: (readonly string[])[] = []): ClusterReader =>
    ({
      pods: async () => pods,
      exec: async (_namespace: string, pod: string, _container: string, command: readonly string[]) => {
        asked.push([pod, ...command]);
        return answer;
      },
    }) as unknown as ClusterReader;
  const done = { exitCode: 0, stdout: "table ip nat\n", stderr: "" };

  it("run in the node's own namespaces, through the pod on it", async () => {
    const asked: (readonly string[])[] = [];
    const { onNode } = await withNodePods(clusterWith([podOn("a", "pa"), podOn("b", "pb")], done, asked));
    expect(await onNode!("b", ["nft", "list", "tables"])).toBe("table ip nat\n");
    expect(asked).toEqual([["pb", "nsenter", "--target", "1", "--mount", "--net", "--", "nft", "list", "tables"]]);
  });

  it("report the exit code and the error", async () => {
    const failed = { exitCode: 3, stdout: "", stderr: "no such thing\n" };
    const { onNode } = await withNodePods(clusterWith([podOn("a")], failed));
    await expect(onNode!("a", ["nft"])).rejects.toThrow("nft failed with exit code 3 on a: no such thing");
    await expect(onNode!("b", ["nft"])).rejects.toThrow("no pod of nettool-node runs on b");
  });

  it("are unavailable without node pods", async () => {
    expect((await withNodePods(clusterWith([], done))).onNode).toBeUndefined();
  });
});
