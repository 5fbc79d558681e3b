import { Agent, type AgentOptions } from "node:https";
import { isDeepStrictEqual } from "node:util";
import { ApiException, KubeConfig } from "@kubernetes/client-node";
import { within } from "./within";

/** Seconds to wait for an answer: a connection to an API server that is gone can hang forever. */
const ANSWER_SECONDS = 10;

/** Wait for the API server's answer. @throws Error when it takes longer than `seconds` */
export function timely<T>(answer: Promise<T>, seconds = ANSWER_SECONDS): Promise<T> {
  return within(seconds, answer, "the API server does not answer");
}

/** How long an unused connection is kept, in milliseconds: one that was cut off meanwhile must not be used again. */
const KEPT_MILLISECONDS = 5000;

/**
 * Let a kubeconfig's requests share connections and TLS sessions: a handshake with a client's certificate costs the API
 * server more than most answers.
 */
function withSharedConnections(config: KubeConfig): KubeConfig {
  const secure = config.applySecurityAuthentication.bind(config);
  const apply = config.applyToHTTPSOptions.bind(config);
  let shared: { readonly options: AgentOptions; readonly agent: Agent } | undefined;
  // for the same credentials; a proxy's agent is left as it is
  const sharedAgent = (own: Agent): Agent => {
    if (Object.getPrototypeOf(own) !== Agent.prototype) return own;
    // websockets have many options that are not set
    const options = Object.fromEntries(Object.entries(own.options).filter(([, value]) => value !== undefined));
    if (shared === undefined || !isDeepStrictEqual(shared.options, options)) {
      shared = { options, agent: new Agent({ ...options, keepAlive: true, timeout: KEPT_MILLISECONDS }) };
    }
    return shared.agent;
  };
  config.applySecurityAuthentication = async (context) => {
    await secure(context);
    context.setAgent(sharedAgent(context.getAgent() as Agent));
  };
  config.applyToHTTPSOptions = async (options) => {
    await apply(options);
    options.agent = sharedAgent(options.agent as Agent);
  };
  return config;
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
  return withSharedConnections(config);
}

/** For `catch`: undefined for an object that does not exist. @throws any other error */
export function undefinedIfNotFound(error: unknown): undefined {
  if (error instanceof ApiException && error.code === 404) return undefined;
  throw error;
}
