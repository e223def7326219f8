import { Type as t } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { FAULTS, isFaultCode } from "../../core/faults.ts";
import { PRIORITIES } from "../../core/queue/fair-order.ts";
import {
  MESSAGE_VERSION,
  MESSAGE_VERSION_OLDEST,
  type QueuedRequest,
  type QueuedResult,
} from "../../core/request/messages.ts";
import {
  TERMINAL_STATES,
  type RequestError,
  type RequestHead,
  type TokenUsage,
} from "../../core/request/request.ts";

/** A message to publish. The body travels as it is; everything else becomes properties and headers. */
export interface OutgoingMessage {
  body: Uint8Array;
  /** The request id; the broker names it when it returns a message. */
  messageId: string;
  type: string;
  headers: Readonly<Record<string, unknown>>;
  /** Unix milliseconds; AMQP keeps the second. */
  timestampMs: number;
  /** In a delay queue: come back after so many milliseconds, instead of after the queue's own delay. */
  expirationMs?: number;
  /** It was read and goes on as it is, with the signature that it came with or without one. */
  isUnchanged?: true;
}

/** What decoding needs of a message that was read: a `Delivery` or a `BrowsedMessage`. */
export interface IncomingMessage {
  body: Uint8Array;
  messageId: unknown;
  type: unknown;
  headers: Readonly<Record<string, unknown>>;
}

/** A message that cannot be read; `requestId` is there when that at least is certain. */
export interface Undecodable {
  ok: false;
  /** A newer version wrote it, and can read it: it must wait for that version and not be given up. */
  isNewer: boolean;
  requestId?: string;
  reason: string;
}
export type DecodedRequest = { ok: true; kind: "request"; request: QueuedRequest } | Undecodable;
export type DecodedResult = { ok: true; kind: "result"; result: QueuedResult } | Undecodable;

/** The message of one attempt, for `inference_requests` or a delay queue. */
export function encodeRequest(request: QueuedRequest): OutgoingMessage {
  const headers = headersOf(request.head, "attempt", request.attempt);
  if (request.lastError !== undefined) {
    headers["last_error_code"] = request.lastError.code;
    headers["last_error_message"] = request.lastError.message;
  }
  if (request.priority !== undefined) headers["priority"] = request.priority;
  return {
    body: request.payload,
    messageId: request.head.requestId,
    type: "request",
    headers,
    timestampMs: request.head.createdAtMs,
  };
}

/** A request that failed for good, for `inference_requests.dead`: the same message and why it is there. */
export function encodeDeadRequest(
  request: QueuedRequest,
  error: RequestError & { errorDetail?: Uint8Array },
): OutgoingMessage {
  const message = encodeRequest(request);
  const reason = {
    error_code: error.code,
    error_message: error.message,
    ...(error.errorDetail === undefined ? {} : { error_detail: toBase64(error.errorDetail) }),
  };
  return { ...message, headers: { ...message.headers, ...reason } };
}

export function encodeResult(result: QueuedResult): OutgoingMessage {
  const headers = headersOf(result.head, "attempts", result.attempts);
  headers["state"] = result.state;
  headers["completed_at_ms"] = result.completedAtMs;
  if (result.startedAtMs !== null) headers["started_at_ms"] = result.startedAtMs;
  if (result.usage !== null) {
    headers["usage_source"] = result.usage.source;
    headers["prompt_tokens"] = result.usage.promptTokens;
    headers["completion_tokens"] = result.usage.completionTokens;
    const { cachedTokens = 0, reasoningTokens = 0 } = result.usage;
    if (cachedTokens > 0) headers["cached_tokens"] = cachedTokens;
    if (reasoningTokens > 0) headers["reasoning_tokens"] = reasoningTokens;
  }
  if (result.error !== null) {
    headers["error_code"] = result.error.code;
    headers["error_message"] = result.error.message;
  }
  if (result.errorDetail !== undefined) headers["error_detail"] = toBase64(result.errorDetail);
  return {
    // Sealed bytes are never empty, so an empty body says that there is no result.
    body: result.result ?? NOTHING,
    messageId: result.head.requestId,
    type: "result",
    headers,
    timestampMs: result.completedAtMs,
  };
}

/**
 * Encodes a message once more, whatever its version and signature. Every version must keep to this: a message
 * is its body and these properties, it has an id, and its own headers do not begin with `x-`, as those of the
 * broker do.
 */
export function encodeUnchanged({
  body,
  messageId,
  type,
  headers,
  timestampMs,
}: IncomingMessage & { timestampMs: number }): OutgoingMessage {
  const own = Object.entries(headers).filter(([name]) => !name.startsWith("x-"));
  return {
    body,
    messageId: String(messageId),
    type: String(type),
    headers: Object.fromEntries(own),
    timestampMs,
    isUnchanged: true,
  };
}

/**
 * Reads a message by its type: at `inference_results` a request is one that the broker gave up. Never throws.
 */
export function decodeMessage(message: IncomingMessage): DecodedRequest | DecodedResult {
  if (message.type === "request") return decodeRequest(message);
  if (message.type === "result") return decodeResult(message);
  return undecodable(message, "the type is neither request nor result");
}

/** Reads a request message. Never throws. */
export function decodeRequest(message: IncomingMessage): DecodedRequest {
  const { headers, messageId } = message;
  if (message.type !== "request") return undecodable(message, "the type is not request");
  if (!isRequestId(messageId)) return undecodable(message, "the message id is not a UUID");
  if (!requestHeaders.Check(headers))
    return undecodable(message, firstError(requestHeaders, headers));
  if (message.body.byteLength === 0) return undecodable(message, "the body is empty");
  const lastError = lastErrorOf(message.headers);
  // A class that only a newer version knows waits as normal.
  const priority = PRIORITIES.find((known) => known === message.headers["priority"]);
  const request = {
    head: headOf(messageId, headers),
    attempt: headers.attempt,
    ...(lastError !== undefined && { lastError }),
    ...(priority !== undefined && { priority }),
    payload: message.body,
  };
  return { ok: true, kind: "request", request };
}

/** Reads a result message. Never throws. */
export function decodeResult(message: IncomingMessage): DecodedResult {
  const { headers, messageId, body } = message;
  if (message.type !== "result") return undecodable(message, "the type is not result");
  if (!isRequestId(messageId)) return undecodable(message, "the message id is not a UUID");
  if (!resultHeaders.Check(headers))
    return undecodable(message, firstError(resultHeaders, headers));
  if ((headers.state === "completed") !== body.byteLength > 0)
    return undecodable(message, "a body goes with the state completed and no other");

  const {
    usage_source: source,
    prompt_tokens,
    completion_tokens,
    error_code,
    error_message,
  } = headers;
  if (source !== undefined && (prompt_tokens === undefined || completion_tokens === undefined))
    return undecodable(message, "the token counts are missing");
  if (error_code !== undefined && !isFaultCode(error_code))
    return undecodable(message, "the error_code is unknown");
  const errorDetail = errorDetailOf(message.headers);
  const result: QueuedResult = {
    head: headOf(messageId, headers),
    state: headers.state,
    attempts: headers.attempts,
    startedAtMs: headers.started_at_ms ?? null,
    completedAtMs: headers.completed_at_ms,
    usage:
      source === undefined
        ? null
        : {
            source,
            promptTokens: prompt_tokens ?? 0,
            completionTokens: completion_tokens ?? 0,
            ...detailsOf(message.headers),
          },
    error:
      error_code === undefined
        ? null
        : { code: error_code, message: error_message ?? FAULTS[error_code].title },
    ...(errorDetail === undefined ? {} : { errorDetail }),
    result: body.byteLength === 0 ? null : body,
  };
  return { ok: true, kind: "result", result };
}

const NOTHING = new Uint8Array(0);
const REQUEST_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const text = t.String({ minLength: 1, maxLength: 256 });
const count = t.Integer({ minimum: 0 });
const head = {
  version: t.Integer({ minimum: MESSAGE_VERSION_OLDEST, maximum: MESSAGE_VERSION }),
  user_id: text,
  model: text,
  window_day: t.String({ pattern: "^\\d{4}-\\d{2}-\\d{2}$" }),
  estimated_tokens: count,
  created_at_ms: count,
  expires_at_ms: count,
};
// Headers that we do not know are ignored: the broker adds some of its own (x-death, x-delivery-count).
const requestHeaders = TypeCompiler.Compile(
  t.Object({ ...head, attempt: t.Integer({ minimum: 1 }) }),
);
const resultHeaders = TypeCompiler.Compile(
  t.Object({
    ...head,
    attempts: count,
    state: t.Union(TERMINAL_STATES.map((state) => t.Literal(state))),
    started_at_ms: t.Optional(count),
    completed_at_ms: count,
    usage_source: t.Optional(t.Union([t.Literal("reported"), t.Literal("counted")])),
    prompt_tokens: t.Optional(count),
    completion_tokens: t.Optional(count),
    error_code: t.Optional(t.String()),
    error_message: t.Optional(t.String()),
  }),
);

interface HeadHeaders {
  user_id: string;
  model: string;
  window_day: string;
  estimated_tokens: number;
  created_at_ms: number;
  expires_at_ms: number;
}

function headersOf(
  from: RequestHead,
  attemptName: "attempt" | "attempts",
  attempt: number,
): Record<string, string | number> {
  return {
    version: MESSAGE_VERSION,
    user_id: from.userId,
    model: from.model,
    window_day: from.windowDay,
    estimated_tokens: from.estimatedTokens,
    created_at_ms: from.createdAtMs,
    expires_at_ms: from.expiresAtMs,
    [attemptName]: attempt,
  };
}

function headOf(requestId: string, headers: HeadHeaders): RequestHead {
  return {
    requestId,
    userId: headers.user_id,
    model: headers.model,
    windowDay: headers.window_day,
    estimatedTokens: headers.estimated_tokens,
    createdAtMs: headers.created_at_ms,
    expiresAtMs: headers.expires_at_ms,
  };
}

/**
 * The last error is for people to read, so an odd one, or one that only a newer version knows, is left out
 * instead of refusing its request.
 */
function lastErrorOf(headers: IncomingMessage["headers"]): RequestError | undefined {
  const { last_error_code: code, last_error_message: message } = headers;
  if (typeof code !== "string" || !isFaultCode(code)) return undefined;
  return { code, message: typeof message === "string" ? message : FAULTS[code].title };
}

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** Far above what is ever sealed for it. */
const DETAIL_CHARACTERS_MAX = 65_536;

/**
 * The sealed words of an ML service about its failure. Like all that is only for people, an odd one is left
 * out instead of refusing the message.
 */
export function errorDetailOf(headers: IncomingMessage["headers"]): Uint8Array | undefined {
  const { error_detail: detail } = headers;
  const isSealed = typeof detail === "string" && detail.length <= DETAIL_CHARACTERS_MAX;
  return isSealed && detail !== "" ? Buffer.from(detail, "base64") : undefined;
}

/** Parts of the counts: an odd one is left out, because it changes no bill. */
function detailsOf({
  cached_tokens: cached,
  reasoning_tokens: reasoning,
}: IncomingMessage["headers"]): Pick<TokenUsage, "cachedTokens" | "reasoningTokens"> {
  const isCount = (value: unknown): value is number => typeof value === "number" && value > 0;
  return {
    ...(isCount(cached) ? { cachedTokens: cached } : {}),
    ...(isCount(reasoning) ? { reasoningTokens: reasoning } : {}),
  };
}

function isRequestId(messageId: unknown): messageId is string {
  return typeof messageId === "string" && REQUEST_ID.test(messageId);
}

function undecodable({ messageId, headers }: IncomingMessage, reason: string): Undecodable {
  const { version } = headers;
  const isNewer = typeof version === "number" && version > MESSAGE_VERSION;
  return isRequestId(messageId)
    ? { ok: false, isNewer, requestId: messageId, reason }
    : { ok: false, isNewer, reason };
}

/** Names the header, not its value. */
function firstError(
  schema: typeof requestHeaders | typeof resultHeaders,
  headers: unknown,
): string {
  const error = schema.Errors(headers).First();
  return `header ${error?.path ?? "unknown"}: ${error?.message ?? "not valid"}`;
}
