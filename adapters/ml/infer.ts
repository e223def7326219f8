import type { ModelConfig } from "../../core/config/schema.ts";
import type { InferencePayload } from "../../core/request/payload.ts";
import type {
  InferenceOutcome,
  UpstreamFaultCode,
  UpstreamWords,
} from "../../core/attempt/outcome.ts";
import { createDeltas, type Deltas } from "../../core/attempt/deltas.ts";
import { JsonText } from "../../core/json/json-text.ts";
import { contentOf, promptsOf } from "../../core/request/content.ts";
import { plausibleUsage, usageBounds } from "../../core/attempt/usage.ts";
import { createAddresses, lookUp, type Target } from "./addresses.ts";
import type { CertificatesOf } from "../tls/certificates.ts";
import type { TlsMaterial } from "../tls/tls-files.ts";
import { createPostJson, type MlHttpReply } from "./call.ts";
import type { MlReply, Protocol } from "./protocol.ts";
import { createProtocols } from "./protocols.ts";
import { createReplicas } from "./replicas.ts";
import { createStreamReply, type StreamEnd } from "./stream-reply.ts";
import { theirWords } from "./their-words.ts";

/**
 * One call of the ML service of a model. Resolves within `timeout_ms`, with our words only. `deltas` gets
 * the pieces of the answer as they come, where the service gives it in pieces; null: it is asked for whole,
 * unless the model is to be streamed anyway.
 *
 * @throws the signal's reason when the signal aborts, and nothing else
 */
export type Infer = (
  model: string,
  config: ModelConfig,
  payload: InferencePayload,
  signal: AbortSignal,
  deltas?: Deltas | null,
) => Promise<InferenceOutcome>;

type Replied = Extract<MlHttpReply, { kind: "replied" }>;

function failed(
  code: UpstreamFaultCode,
  message: string,
  retryAfterMs: number | null = null,
  upstream?: UpstreamWords,
): InferenceOutcome {
  return { ok: false, code, message, retryAfterMs, ...(upstream ? { upstream } : {}) };
}

/**
 * `certificatesOf` reads the files of `tls`. `secret` looks up the environment variables that `api_key_env`
 * names; without its key a model is not called.
 */
export function createInfer(
  secret: (name: string) => string | undefined,
  certificatesOf: CertificatesOf,
): Infer {
  const protocolOf = createProtocols();
  const postJson = createPostJson();
  const replicas = createReplicas(() => performance.now());
  const addressesOf = createAddresses(lookUp, () => performance.now());

  /** A proxy looks up names itself. */
  function targetsOf({ url, urls, proxy }: ModelConfig): Target[] | Promise<Target[]> {
    const all = [...new Set([url, ...urls])];
    return proxy === undefined ? addressesOf(all) : all.map((one) => ({ url: one, host: null }));
  }

  /** null: the key that the model needs is not set. */
  function headersOf({ headers, api_key_env: name }: ModelConfig): Record<string, string> | null {
    if (name === undefined) return headers;
    const key = secret(name);
    return key ? { ...headers, authorization: `Bearer ${key}` } : null;
  }

  return async (model, config, payload, signal, deltas = null) => {
    let protocol: Protocol | undefined;
    let body: JsonText | null = null;
    let isStreamed = false;
    try {
      protocol = protocolOf(config);
      isStreamed = protocol.streams === true && (deltas !== null || config.stream_upstream);
      body = await protocol.writeRequest({
        payload,
        upstreamModel: config.upstream_model ?? model,
        fields: config.fields,
        isStreamed,
      });
    } catch {
      body = null;
    }
    if (protocol === undefined || body === null) {
      return failed("UPSTREAM_REJECTED", "the model's protocol could not make a request of it");
    }
    const headers = headersOf(config);
    // Another worker may have the key already. Without it the service would refuse the request or, worse,
    // serve it.
    if (headers === null) {
      return failed("UPSTREAM_REFUSED", "the worker has no key for the ML service");
    }
    let tls: TlsMaterial | undefined;
    try {
      tls = config.tls && (await certificatesOf(config.tls));
    } catch (error) {
      return failed(
        "UPSTREAM_REFUSED",
        `the worker has no certificate: ${(error as Error).message}`,
      );
    }
    const stream = isStreamed ? createStreamReply(protocol, deltas ?? createDeltas()) : null;
    const endsAtMs = performance.now() + config.timeout_ms;
    const reply = await replicas.call(
      await targetsOf(config),
      ({ url, host }) =>
        postJson(
          {
            url,
            proxy: config.proxy,
            ...(tls && { tls }),
            headers: host === null ? headers : { ...headers, host },
            body,
            timeoutMs: Math.max(1, endsAtMs - performance.now()),
            replyBytesMax: config.reply_bytes_max,
            ...(stream && {
              events: { onData: stream.onData, idleTimeoutMs: config.idle_timeout_ms },
            }),
          },
          signal,
        ),
      isAway,
    );
    switch (reply.kind) {
      case "timeout":
        return failed("UPSTREAM_TIMEOUT", `no complete reply within ${config.timeout_ms} ms`);
      case "stalled":
        return failed("UPSTREAM_TIMEOUT", `nothing came for ${config.idle_timeout_ms} ms`);
      case "streamed":
        return readStream(protocol, stream?.end() ?? { kind: "broken" }, payload, config);
      case "unreachable":
        return failed("UPSTREAM_UNREACHABLE", `the connection failed: ${reply.reason}`);
      case "cut":
        return failed("UPSTREAM_FAILED", `the connection was cut: ${reply.reason}`);
      case "replied":
        return reply.status >= 200 && reply.status < 300
          ? readSuccess(protocol, reply, payload, config)
          : readFailure(protocol, reply);
    }
  };
}

/** Whether a replica did not begin to work, so that another one may. */
function isAway(reply: MlHttpReply): boolean {
  if (reply.kind === "unreachable") return true;
  return reply.kind === "replied" && (reply.status === 502 || reply.status === 503);
}

async function readSuccess(
  protocol: Protocol,
  replied: Replied,
  payload: InferencePayload,
  config: ModelConfig,
): Promise<InferenceOutcome> {
  const { text, status } = replied;
  if (text === null) {
    const message = `the reply is longer than ${config.reply_bytes_max} bytes`;
    return failed("UPSTREAM_REPLY_TOO_LARGE", message);
  }
  const json = parseJson(text);
  if (json === null) {
    return failed("UPSTREAM_REPLY_INVALID", `the reply of status ${status} is not JSON`);
  }
  const inside = protocol.statusInside?.(json.parse()) ?? null;
  if (inside !== null) return readFailure(protocol, { ...replied, status: inside });
  const reply = await readReply(protocol, json);
  if (reply === null) {
    return failed("UPSTREAM_REPLY_INVALID", `the reply of status ${status} lacks the text`);
  }
  return conclude(reply, payload, config);
}

function readStream(
  protocol: Protocol,
  end: StreamEnd,
  payload: InferencePayload,
  config: ModelConfig,
): InferenceOutcome | Promise<InferenceOutcome> {
  switch (end.kind) {
    case "reply":
      return conclude(end.reply, payload, config);
    case "error":
      return readFailure(protocol, { ...end, kind: "replied", retryAfterMs: null });
    case "broken":
      return failed("UPSTREAM_FAILED", "the stream ended in the middle of the answer");
  }
}

/** A reply that has its form: whether it is an answer, and what it cost. */
function conclude(
  reply: MlReply,
  payload: InferencePayload,
  config: ModelConfig,
): InferenceOutcome {
  const kept = reply.choices.slice(0, payload.n * promptsOf(payload.input));
  const stopped = kept.find(({ finishReason }) =>
    config.failed_finish_reasons.includes(finishReason ?? ""),
  );
  if (stopped !== undefined) {
    const message = `the ML service stopped in the middle: finish_reason ${stopped.finishReason}`;
    return failed("UPSTREAM_FAILED", message);
  }
  const bounds = usageBounds({
    promptBytes: promptBytesOf(payload),
    replyTextBytes: kept.reduce(
      (sum, { text: said, message }) => sum + Buffer.byteLength(message?.text ?? said),
      0,
    ),
    maxTokens: payload.maxTokens,
    n: payload.n * promptsOf(payload.input),
  });
  return {
    ok: true,
    choices: kept.map((choice, index) => ({
      index,
      text: choice.text,
      finish_reason: choice.finishReason,
      ...(choice.message ? { message: choice.message } : {}),
      ...(choice.logprobs ? { logprobs: choice.logprobs } : {}),
    })),
    ...(reply.data ? { data: reply.data } : {}),
    usage: plausibleUsage(reply.usage, bounds),
  };
}

/** When an expression fails on a reply, the reply is not what the operator described. */
async function readReply(protocol: Protocol, json: JsonText): Promise<MlReply | null> {
  try {
    return await protocol.readReply(json);
  } catch {
    return null;
  }
}

async function readFailure(protocol: Protocol, reply: Replied): Promise<InferenceOutcome> {
  const { status, retryAfterMs } = reply;
  const upstream = { status, message: theirWords(reply.text) };
  const message = `the ML service replied with status ${status}`;
  const code = faultOfStatus(status, retryAfterMs);
  // It is us whom the service rejects, so that no expression about requests is asked.
  if (code === "UPSTREAM_REFUSED")
    return failed(code, `${message}: ${REFUSALS[status]}`, retryAfterMs, upstream);
  const decided = await decideRetryable(protocol, reply);
  if (decided === false) return failed("UPSTREAM_REJECTED", message, null, upstream);
  if (decided === true && code === "UPSTREAM_REJECTED") {
    return failed("UPSTREAM_FAILED", message, retryAfterMs, upstream);
  }
  return failed(code, message, retryAfterMs, upstream);
}

async function decideRetryable(
  protocol: Protocol,
  { status, text }: Replied,
): Promise<boolean | null> {
  try {
    return (
      (await protocol.isRetryable?.(status, text === null ? null : parseJson(text)?.parse())) ??
      null
    );
  } catch {
    return null;
  }
}

/** What the service has against us, by status; an operator has to mend it, no caller can. */
const REFUSALS: Readonly<Record<number, string>> = {
  401: "it does not accept our credential",
  402: "it wants to be paid",
  403: "our credential may not do this",
  404: "it does not know the model or the path of its URL",
  407: "a proxy wants a credential of us",
};

/** 3xx counts as rejected: redirects are not followed, and trying again would only lead there again. */
function faultOfStatus(status: number, retryAfterMs: number | null): UpstreamFaultCode {
  if (Object.hasOwn(REFUSALS, status)) return "UPSTREAM_REFUSED";
  if (status === 429 || (status === 503 && retryAfterMs !== null)) return "UPSTREAM_BUSY";
  if (status === 502 || status === 503) return "UPSTREAM_UNAVAILABLE";
  if (status === 408 || status === 504) return "UPSTREAM_TIMEOUT";
  return status >= 500 ? "UPSTREAM_FAILED" : "UPSTREAM_REJECTED";
}

/** null: not JSON, or nested too deep to be read. */
function parseJson(text: string): JsonText | null {
  try {
    return new JsonText(text, JSON.parse(text));
  } catch {
    return null;
  }
}

/** A picture or a film may be more tokens than its address has bytes. */
const MEDIA_BYTES = 65_536;

/** No prompt has more tokens than so many, whatever tokenizer counts them. */
function promptBytesOf({ input, parameters }: InferencePayload): number {
  const { media } = contentOf(input);
  const texts = [...Object.values(input as Record<string, JsonText>), ...parameters.values()];
  const bytes = texts.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  return bytes + media * MEDIA_BYTES;
}
