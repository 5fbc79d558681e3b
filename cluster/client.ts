import { ApiException, KubeConfig } from "@kubernetes/client-node";
import { within } from "./within";

/** Seconds to wait for an answer: a connection to an API server that is gone can hang forever. */
const ANSWER_SECONDS = 10;

/** Wait for the API server's answer. @throws Error when it takes longer than `seconds` */
export function timely<T>(answer: Promise<T>, seconds = ANSWER_SECONDS): Promise<T> {
  return within(seconds, answer, "the API server does not answer");
}

/** Parse a kubeconfig. @throws Error without the text, which has secrets */
export function load(kubeconfig: string): KubeConfig {
  const config = new KubeConfig();
  try {
    config.loadFromString(kubeconfig);
  } catch {
    // the parser's own message repeats parts of the text
    throw new Error("The kubeconfig cannot be read: it is not valid YAML, or names no cluster");
  }
  return config;
}

/** For `catch`: undefined for an object that does not exist. @throws any other error */
export function undefinedIfNotFound(error: unknown): undefined {
  if (error instanceof ApiException && error.code === 404) return undefined;
  throw error;
}
