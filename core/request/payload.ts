export interface ChatMessage {
  role: "system" | "developer" | "user" | "assistant";
  content: string;
}

/** Sampling parameters passed on to the ML service as given. */
export type SamplingParameters = Record<string, unknown>;

/**
 * Names no sampling parameter may have: they would change what is executed or billed without changing the
 * estimate, or the form of the reply. The gateway refuses them; the OpenAI protocols never send them on,
 * whatever a message says.
 */
export const RESERVED_PARAMETERS = [
  "model",
  "messages",
  "prompt",
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

/** What a worker sends to the ML service: the content of a request, sealed wherever it rests. */
export interface InferencePayload {
  input: { prompt: string } | { messages: ChatMessage[] };
  /** Cap on output tokens per choice. */
  maxTokens: number;
  /** Number of choices. */
  n: number;
  parameters: SamplingParameters;
}

export interface InferenceChoice {
  index: number;
  text: string;
  finish_reason: string | null;
}

/** The `result` a caller reads at `GET /status/{id}`. */
export interface InferenceResult {
  choices: InferenceChoice[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A value as JSON in UTF-8, ready to be sealed. */
export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** The value of JSON in UTF-8. @throws {SyntaxError} when it is not JSON */
export function decodeJson(bytes: Uint8Array): unknown {
  return JSON.parse(decoder.decode(bytes));
}
