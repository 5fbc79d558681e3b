import { request as requestHttp, type IncomingHttpHeaders } from "node:http";
import { request as requestHttps, type RequestOptions } from "node:https";
import { text } from "node:stream/consumers";

/** Timeout of a request. */
const ANSWER_SECONDS = 8;

export interface Response {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/**
 * Send a request without following redirects. Unlike `fetch`, it takes certificates, and its errors hold no credentials of
 * the URL.
 * @throws Error of the connection, of TLS or of its options
 */
export function request(url: string, options: RequestOptions): Promise<Response> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(ANSWER_SECONDS * 1000);
    const send = url.startsWith("https:") ? requestHttps : requestHttp;
    const sent = send(url, { ...options, signal }, (response) => {
      const { statusCode = 0, headers } = response;
      text(response).then((body) => resolve({ status: statusCode, headers, body }), reject);
    });
    sent.once("error", (error) =>
      reject(signal.aborted ? new Error(`no answer in ${ANSWER_SECONDS} s`, { cause: error }) : error),
    );
    sent.end();
  });
}
