// A program without resources but for the providers that this project uses, to measure the engine, the language host and the
// providers' starts alone.
import { Provider as CommandProvider } from "@pulumi/command/provider";
import { Provider as DockerProvider } from "@pulumi/docker/provider";
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider";

new CommandProvider("command");
new DockerProvider("docker");
new KubernetesProvider("kubernetes", { kubeconfig: "none" });
