import type { Words } from "./words";

/** What the commands of `cilium-modes` do, in Chinese; their English is their own. */
export const COMMANDS_IN_CHINESE: Readonly<Record<string, string>> = {
  plan: "一个 stack 会创建什么、必须得到什么结果；不需要集群、Pulumi 或网络",
  status: "显示哪些 stack 的集群在运行、处于哪种模式、何时验证过",
  env: "输出某个 stack 的 shell 变量：Pulumi 的状态和集群的 kubeconfig",
  doctor: "本机能运行什么，有什么妨碍某个 stack；有妨碍时退出码为 1",
  verify: "用证据核对运行中的集群是否符合 stack 的要求；只有模式得到证明时退出码才为 0",
  drill: "向 stack 自己的 kind 集群注入故障，并报告 verify 发现了哪些",
  trace: "跟踪一个数据包及其应答在集群中的路径，并与该模式承诺的路径对照",
  observe: "各 agent 看到的流，不经 Hubble Relay：用镜像里的 hubble，否则用 cilium monitor",
  watch: "持续发送各类流量并报告丢失；有流量中断时退出码为 1",
  "hubble-ui": "打开某个 stack 集群的 Hubble UI（设置 hubble.relay 与 hubble.ui），直到 Ctrl-C",
  compare: "各 stack 的集群有何不同、在本机上表现如何：证据与测量",
  "images save": "保存某个 stack 集群的全部镜像；Docker 里没有的先拉取或构建",
  "images load": "把镜像归档载入 Docker，以及 stack 集群中缺少这些镜像的节点",
  complete: "输出 shell 脚本，用于补全本命令的子命令、选项和 stack",
};

/** What the exit codes mean, of every command. */
export const EXIT_CODES: Readonly<Record<0 | 1 | 2 | 3 | 4 | 130, Words>> = {
  0: {
    en: "success; for `verify`: the mode is proven",
    zh: "完成，且所查询的一切符合要求",
  },
  1: {
    en: "failure: the mode is not in force, a packet took another path, no flow was seen, a flow was interrupted, something is worse than the baseline, the machine cannot run the stack, `verify` missed a fault, or the command failed",
    zh: "不符合要求（模式未生效、路径不同、没有流、有丢失、比基线差、本机无法运行该 stack、verify 未发现某个故障），或命令无法执行",
  },
  2: {
    en: "the command line is wrong: an unknown command, option or value, or a missing argument",
    zh: "命令行有误：未知的命令、选项或取值，或缺少参数",
  },
  3: {
    en: "`verify`: configuration and agents report the mode, and no traffic was sent to prove it; `--accept reported` makes it 0",
    zh: "`verify`：配置与 agent 报告了该模式，但没有发送流量来证明；`--accept reported` 使其为 0",
  },
  4: {
    en: "`verify`: evidence is missing, so the mode is neither proven nor disproved",
    zh: "`verify`：缺少证据，既不能证明也不能否定该模式",
  },
  130: {
    en: "Ctrl-C ended a comparison, whose measurements so far are kept, or a drill, whose fault is undone",
    zh: "Ctrl-C 中断了比较（此前的测量结果会保留）或演练（故障已撤销）",
  },
};
