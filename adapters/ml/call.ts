import { connect } from "node:net";

import type { JsonText } from "../../core/json/json-text.ts";
import { DIRECT } from "../process/direct.ts";
import type { TlsMaterial } from "../tls/tls-files.ts";
import { readBody } from "./read-body.ts";
import { EventsTooLong, readEvents } from "./read-events.ts";
import { parseRetryAfter } from "./retry-after.ts";

export interface MlHttpCall {
  url: string;
  /** Absent: none. What the environment names is for other programs. */
  proxy: string | undefined;
  /** Absent: the authorities that the machine trusts, and no certificate of ours. */
  tls?: TlsMaterial;
  headers: Record<string, string>;
  body: JsonText;
  timeoutMs: number;
  replyBytesMax: number;
  /** Given when the reply may be a stream of events; then nothing may come for so long at most. */
  events?: { onData: (data: string) => boolean; idleTimeoutMs: number };
}

/**
 * How one HTTP call ended. `text` is null when the body was too long; `reason` is a code of the system, such
 * as ECONNRESET. `unreachable`: the service cannot have seen the request; `cut`: the connection ended before
 * the reply was whole, so the service may have begun to work.
 */
export type MlHttpReply =
  | { kind: "replied"; status: number; text: string | null; retryAfterMs: number | null }
  /** All events were handed over. */
  | { kind: "streamed" }
  | { kind: "timeout" }
  /** A stream was silent for `idleTimeoutMs`. */
  | { kind: "stalled" }
  | { kind: "unreachable"; reason: string }
  | { kind: "cut"; reason: string };

/** Only this much is read of a reply that is not a success: enough for the connection to be used again. */
const ERROR_BYTES_MAX = 65_536;

/**
 * Codes of errors before a connection stands; so they are no executions. Those of TLS differ by library and
 * all begin with a few words.
 */
const BEFORE_THE_REQUEST = new RegExp(
  "^(ECONNREFUSED|ENOTFOUND|EAI_\\w+|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EPROTO|FailedToOpenSocket)$" +
    "|CERT|SSL|TLS|^(UNABLE_TO_|INVALID_|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH)",
);
/** A service that closes an idle connection does so at once; one that worked longer was at work. */
const IDLE_CLOSE_MS = 1_000;
/** How long a look may take whether a service that said nothing can be reached at all. */
const REACH_MS = 1_000;

/** Posts JSON. Lives as long as its process, because it knows which services have been called before. */
export type PostJson = (call: MlHttpCall, signal: AbortSignal) => Promise<MlHttpReply>;

/**
 * Returns a function that posts JSON: no redirects, at most `timeoutMs` from start to the last byte, at most
 * `replyBytesMax` bytes. The body is always read or cancelled. Nothing is sent twice, but for one case: a
 * kept connection that the service closed while it was idle ends with the first bytes of the next request.
 * That request was not served, and is sent once more on a connection of its own.
 *
 * The function throws the signal's reason when the signal aborts.
 */
export function createPostJson(): PostJson {
  /** Origins that have replied: only of those a connection may be kept. As many as the configuration has. */
  const known = new Set<string>();

  return async (call, signal) => {
    const { origin } = new URL(call.url);
    const sentAtMs = performance.now();
    const reply = await postOnce(call, signal, known.has(origin));
    const tookMs = performance.now() - sentAtMs;
    if (reply.kind === "replied" || reply.kind === "streamed") known.add(origin);
    if (reply.kind === "cut" && !reply.hasBegun && known.has(origin) && tookMs < IDLE_CLOSE_MS)
      return postOnce({ ...call, timeoutMs: call.timeoutMs - tookMs }, signal, false);
    return reply;
  };
}

/** `fetch` takes no lowest version by name; its own is TLS 1.2. */
function fetchTls({ ca, cert, key }: TlsMaterial) {
  return {
    rejectUnauthorized: true,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

async function postOnce(
  call: MlHttpCall,
  signal: AbortSignal,
  mayReuse: boolean,
): Promise<
  Exclude<MlHttpReply, { kind: "cut" }> | { kind: "cut"; reason: string; hasBegun: boolean }
> {
  signal.throwIfAborted();
  const abort = new AbortController();
  const onAbort = (): void => abort.abort();
  let isLate = false;
  let isStalled = false;
  let hasBegun = false;
  const timer = setTimeout(() => {
    isLate = true;
    abort.abort();
  }, call.timeoutMs);
  let idle: Timer | undefined;
  signal.addEventListener("abort", onAbort);
  try {
    const response = await fetch(call.url, {
      method: "POST",
      // Compressed replies would hide their size from the bound.
      headers: {
        accept: call.events ? "text/event-stream, application/json" : "application/json",
        "accept-encoding": "identity",
        "user-agent": "tollgate",
        ...call.headers,
        "content-type": "application/json",
      },
      body: call.body.text,
      // A redirect would take the prompt and the bearer token to a place nobody configured.
      redirect: "manual",
      ...(call.proxy === undefined ? DIRECT : { proxy: call.proxy }),
      ...(call.tls && { tls: fetchTls(call.tls) }),
      keepalive: mayReuse,
      // Bun ends a call after five minutes without a byte whatever the signal says; ours is the only limit.
      timeout: false,
      signal: abort.signal,
    });
    hasBegun = true;
    if (call.events && response.ok && isEventStream(response)) {
      const { idleTimeoutMs, onData } = call.events;
      const startIdle = () =>
        setTimeout(() => {
          isStalled = true;
          abort.abort();
        }, idleTimeoutMs);
      idle = startIdle();
      const onBytes = (): void => {
        clearTimeout(idle);
        idle = startIdle();
      };
      await readEvents(response, call.replyBytesMax, { onData, onBytes });
      return { kind: "streamed" };
    }
    const text = await readBody(response, response.ok ? call.replyBytesMax : ERROR_BYTES_MAX);
    const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), Date.now());
    return { kind: "replied", status: response.status, text, retryAfterMs };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof EventsTooLong)
      return { kind: "replied", status: 200, text: null, retryAfterMs: null };
    if (isStalled) return { kind: "stalled" };
    const reason = reasonOf(error);
    if (!isLate) {
      return BEFORE_THE_REQUEST.test(reason)
        ? { kind: "unreachable", reason }
        : { kind: "cut", reason, hasBegun };
    }
    // A network that swallows everything looks like a slow service; the service has not seen the request.
    if (hasBegun || (await canBeReached(call.url))) return { kind: "timeout" };
    return { kind: "unreachable", reason: "ETIMEDOUT" };
  } finally {
    clearTimeout(timer);
    clearTimeout(idle);
    signal.removeEventListener("abort", onAbort);
  }
}

const isEventStream = ({ headers }: Response): boolean =>
  /^text\/event-stream\b/i.test(headers.get("content-type") ?? "");

/** Only the code: messages of the runtime may contain the URL. */
function reasonOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^\w{1,64}$/.test(code) ? code : "unknown reason";
}

/** Whether a connection to the service of a URL can be opened. */
async function canBeReached(url: string): Promise<boolean> {
  const { hostname, port, protocol } = new URL(url);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port) || (protocol === "https:" ? 443 : 80),
  });
  socket.setTimeout(REACH_MS, () => resolve(false));
  socket.once("connect", () => resolve(true));
  socket.once("error", () => resolve(false));
  return promise.finally(() => socket.destroy());
}
