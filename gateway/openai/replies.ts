import { Fault, isFaultCode } from "../../core/faults.ts";
import { itemsOf, JsonText, memberOf } from "../../core/json/json-text.ts";
import type { Door } from "../../core/request/ask.ts";
import type { InferenceChoice, UsageDetails } from "../../core/request/payload.ts";
import { isTerminal } from "../../core/request/request.ts";
import type { RequestView } from "../read/request-view.ts";

/** The id under which a client of OpenAI's knows a request; the durable id is in it. */
const ID_PREFIX = { chat: "chatcmpl-", completions: "cmpl-", embeddings: "embd-", native: "" };
export const openaiId = (door: Door, requestId: string): string => ID_PREFIX[door] + requestId;

const NULL = new JsonText("null");
const NOTHING = new JsonText("[]");

/** A choice as it is stored; its message and logprobs as the ML service wrote them. */
export function choicesOf({ result }: Pick<RequestView, "result">): InferenceChoice[] {
  const choices = (result && memberOf(result, "choices")) ?? NOTHING;
  return itemsOf(choices).map((choice) => {
    const { index, text, finish_reason } = choice.parse() as InferenceChoice;
    const message = memberOf(choice, "message");
    const logprobs = memberOf(choice, "logprobs");
    return {
      index,
      text,
      finish_reason,
      ...(message ? { message } : {}),
      ...(logprobs ? { logprobs } : {}),
    };
  });
}

export function usageOf(view: RequestView) {
  const details = (view.result && memberOf(view.result, "usage"))?.parse() as
    | UsageDetails
    | undefined;
  return {
    prompt_tokens: view.promptTokens ?? 0,
    completion_tokens: view.completionTokens ?? 0,
    total_tokens: view.totalTokens ?? 0,
    prompt_tokens_details: { cached_tokens: details?.cached_tokens ?? 0 },
    completion_tokens_details: { reasoning_tokens: details?.reasoning_tokens ?? 0 },
  };
}

/** What was held for a request, used by it and given back: on every answer, beside what OpenAI has. */
export function receiptOf(view: RequestView) {
  const used = view.totalTokens ?? 0;
  return {
    request_id: view.requestId,
    tokens: { held: view.estimatedTokens, used, given_back: view.estimatedTokens - used },
    attempts: view.attempts,
  };
}

/** What every answer and every piece of one begins with. */
export function headOf(door: Door, view: Pick<RequestView, "requestId" | "createdAtMs" | "model">) {
  return {
    id: openaiId(door, view.requestId),
    created: Math.floor(view.createdAtMs / 1_000),
    model: view.model,
  };
}

/**
 * The answer to a call, given how its request stands.
 *
 * @throws {Fault} WAIT_OVER when it has not ended; what it ended with, unless it has completed
 */
export function answerOf(door: Door, view: RequestView, body: JsonText): object {
  if (view.state === "completed") return completedReply(door, view, body);
  throw faultOf(view);
}

/** The fault of a request that has not completed. Asking again would find it as it is, unless it waits. */
export function faultOf(view: RequestView): Fault {
  const { requestId, state, errorCode, errorMessage, upstream } = view;
  const extensions = { request_id: requestId, state };
  const location = { location: `/status/${requestId}`, "x-request-id": requestId };
  if (isTerminal(state)) {
    const code = errorCode !== null && isFaultCode(errorCode) ? errorCode : "INTERNAL";
    const headers = { ...location, "x-should-retry": "false" };
    const message = errorMessage ?? "the request has failed";
    // In the service's own words: they are the caller's, who reads nothing but the message.
    const words = upstream?.message ?? null;
    const whole = words === null ? message : `${message}: ${words}`;
    return new Fault(code, whole, { headers, extensions });
  }
  const headers = { ...location, "x-should-retry": "true", "retry-after-ms": "1" };
  const message = `the request ${requestId} is ${state}; repeat the call, or read /status/${requestId}`;
  return new Fault("WAIT_OVER", message, { headers, extensions });
}

function completedReply(door: Door, view: RequestView, body: JsonText): object {
  const { id, ...head } = headOf(door, view);
  const usage = usageOf(view);
  const tollgate = receiptOf(view);
  switch (door) {
    case "chat":
    case "native": {
      const choices = choicesOf(view).map(chatChoice);
      return { id, object: "chat.completion", ...head, choices, usage, tollgate };
    }
    case "completions": {
      const choices = choicesOf(view).map(textChoice);
      return { id, object: "text_completion", ...head, choices, usage, tollgate };
    }
    case "embeddings": {
      const { prompt_tokens, total_tokens } = usage;
      return {
        object: "list",
        data: vectorsOf(view, memberOf(body, "encoding_format")?.parse() === "base64"),
        model: head.model,
        usage: { prompt_tokens, total_tokens },
        tollgate,
      };
    }
  }
}

function chatChoice({ index, text, finish_reason, message, logprobs = NULL }: InferenceChoice) {
  const said = message ?? { role: "assistant", content: text, refusal: null };
  return { index, message: said, logprobs, finish_reason };
}

function textChoice({ index, text, finish_reason, logprobs = NULL }: InferenceChoice) {
  return { text, index, logprobs, finish_reason };
}

/**
 * Node's client decodes base64 without a look: numbers where it asked for that would become garbage. Services
 * that do not know `encoding_format` send numbers.
 */
function vectorsOf({ result }: RequestView, isBase64: boolean): JsonText | object[] {
  const data = (result && memberOf(result, "data")) ?? NOTHING;
  const vectors = data.parse() as { embedding: string | number[]; index?: number }[];
  if (vectors.every(({ embedding }) => (typeof embedding === "string") === isBase64)) return data;
  return vectors.map(({ embedding }, index) => ({
    object: "embedding",
    index,
    embedding: isBase64 ? toBase64(embedding) : toNumbers(embedding),
  }));
}

function toBase64(embedding: string | number[]): string {
  if (typeof embedding === "string") return embedding;
  const bytes = Buffer.alloc(embedding.length * 4);
  for (const [at, value] of embedding.entries()) bytes.writeFloatLE(value, at * 4);
  return bytes.toString("base64");
}

function toNumbers(embedding: string | number[]): number[] {
  if (typeof embedding !== "string") return embedding;
  const bytes = Buffer.from(embedding, "base64");
  return Array.from({ length: bytes.length >> 2 }, (_, at) => bytes.readFloatLE(at * 4));
}
