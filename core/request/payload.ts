import { JsonText, membersOf, memberOf, writeJson } from "../json/json-text.ts";

/**
 * Names no parameter may have: they would change what is executed or billed without changing the estimate, or
 * the form of the reply. The gateway refuses them; the OpenAI protocols never send them on, whatever a
 * message says.
 */
export const RESERVED_PARAMETERS = [
  "model",
  "messages",
  "prompt",
  "input",
  "suffix",
  "echo",
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "max_new_tokens",
  "num_predict",
  "n",
  "best_of",
  "stream",
  "stream_options",
] as const;

/** What is asked of a model: to go on from a prompt, to answer a chat, or to embed. */
export type PayloadInput =
  /** A string; several strings or lists of tokens only through the door of completions. */
  { prompt: JsonText } | { messages: JsonText } | { input: JsonText };

/**
 * What a worker sends to the ML service: the content of a request, sealed wherever it rests. What the caller
 * wrote is kept as it was written.
 */
export interface InferencePayload {
  input: PayloadInput;
  /** Cap on output tokens per choice. */
  maxTokens: number;
  /** Number of choices. */
  n: number;
  /** All that is passed on as given: how to sample, `tools`, `response_format`, … */
  parameters: ReadonlyMap<string, JsonText>;
  /** Whether somebody may read the answer while it is made. */
  isStreamed: boolean;
}

export interface InferenceChoice {
  index: number;
  text: string;
  finish_reason: string | null;
  /** The whole message as the ML service wrote it; absent when it says no more than `text`. */
  message?: JsonText;
  logprobs?: JsonText;
}

/** The `result` a caller reads at `GET /status/{id}`. */
export interface InferenceResult {
  choices: InferenceChoice[];
  /** Of a model that embeds: the vectors as the ML service wrote them; there are no choices then. */
  data?: JsonText;
  /** What the ML service says of its tokens; absent when there is nothing to say. */
  usage?: UsageDetails;
}

export interface UsageDetails {
  /** Of the prompt's tokens, those that came from a cache. */
  cached_tokens: number;
  /** Of the completion's tokens, those that were not shown. */
  reasoning_tokens: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A value as JSON in UTF-8, ready to be sealed. */
export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(writeJson(value));
}

/** JSON in UTF-8 as it was written. */
export function decodeText(bytes: Uint8Array): JsonText {
  return new JsonText(decoder.decode(bytes));
}

/** The value of JSON in UTF-8. @throws {SyntaxError} when it is not JSON */
export function decodeJson(bytes: Uint8Array): unknown {
  return decodeText(bytes).parse();
}

/** A payload ready to be sealed. */
export function encodePayload({ input, maxTokens, n, parameters, isStreamed }: InferencePayload) {
  return encodeJson({
    input,
    maxTokens,
    n,
    parameters: Object.fromEntries(parameters),
    ...(isStreamed ? { isStreamed } : {}),
  });
}

/** @throws {SyntaxError} when it is not JSON, {TypeError} when it is no payload */
export function decodePayload(bytes: Uint8Array): InferencePayload {
  const text = decodeText(bytes);
  const { maxTokens, n, isStreamed = false } = text.parse() as Partial<InferencePayload>;
  const written = memberOf(text, "input");
  const [field, value] = (written && membersOf(written)[0]) ?? [];
  if (value === undefined || typeof maxTokens !== "number" || typeof n !== "number")
    throw new TypeError("this is no payload");
  const parameters = memberOf(text, "parameters");
  return {
    input: { [field as string]: value } as unknown as PayloadInput,
    maxTokens,
    n,
    parameters: new Map(parameters && membersOf(parameters)),
    isStreamed,
  };
}
