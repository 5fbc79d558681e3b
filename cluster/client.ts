import { Agent, type AgentOptions, type RequestOptions } from "node:https";
import { isDeepStrictEqual } from "node:util";
import { ApiException, KubeConfig, type RequestContext } from "@kubernetes/client-node";
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
 * A kubeconfig whose requests share connections and TLS sessions: a handshake with a client's certificate costs the API
 * server more than most answers.
 */
class SharedConnections extends KubeConfig {
  private shared: { readonly options: AgentOptions; readonly agent: Agent } | undefined;

  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    await super.applySecurityAuthentication(context);
    context.setAgent(this.sharedAgent(context.getAgent() as Agent));
  }

  override async applyToHTTPSOptions(options: RequestOptions): Promise<void> {
    await super.applyToHTTPSOptions(options);
    options.agent = this.sharedAgent(options.agent as Agent);
  }

  /** An agent for the same credentials; a proxy's agent is left as it is. */
  private sharedAgent(own: Agent): Agent {
    if (Object.getPrototypeOf(own) !== Agent.prototype) return own;
    const { options } = own;
    if (this.shared === undefined || !isDeepStrictEqual(this.shared.options, options)) {
      this.shared = { options, agent: new Agent({ ...options, keepAlive: true, timeout: KEPT_MILLISECONDS }) };
    }
    return this.shared.agent;
  }
}

/** Parse a kubeconfig. @throws Error without the text, which has secrets */
export function load(kubeconfig: string): KubeConfig {
  const config = new SharedConnections();
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
