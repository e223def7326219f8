import type { Static, TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";

import type { Choice, Piece } from "./choices.ts";
import { wishOf } from "./markers.ts";
import { countPromptTokens } from "./text.ts";

/** A call as the simulator works on it, whatever the protocol. */
export interface SimCall {
  prompt: string;
  promptTokens: number;
  model: string;
  maxTokens: number;
  n: number;
  isStream: boolean;
  /** Whether a stream ends with its usage. */
  includesUsage: boolean;
  /** Whether the cap on output tokens came under its old name, `max_tokens`. */
  hasOldCapName: boolean;
  /** Alternatives to each output token that are to be shown with their probabilities; null: none are. */
  logprobs: number | null;
  reasoningTokens: number;
  cachedTokens: number;
  /** The tools to call instead of saying something. */
  toolCalls: Tool[];
  /** What the tool replied that was called before; null: none was. */
  toolReply: string | null;
  /** The beginning of the answer, for the model to go on from; null: it has not begun. */
  begun: string | null;
  /** The JSON Schema that the text must fit; undefined: any text. */
  schema: unknown;
  embedding: Embedding | null;
}

export interface Tool {
  name: string;
  /** JSON Schema of the arguments. */
  parameters: unknown;
}

/** Vectors instead of choices: one for each input. */
export interface Embedding {
  inputs: string[];
  dimensions: number;
  isBase64: boolean;
}

/** Token counts that a reply reports. */
export interface SimUsage {
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
  reasoningTokens: number;
  cachedTokens: number;
}

/** How a protocol streams: the JSON of each event, but for the `[DONE]` that ends it. */
export interface SimChunks {
  /** Absent: a choice begins with its first piece. */
  begin?: (call: SimCall, index: number) => unknown;
  piece: (call: SimCall, index: number, piece: Piece) => unknown;
  finish: (call: SimCall, index: number, finishReason: string) => unknown;
  usage: (call: SimCall, usage: SimUsage) => unknown;
}

/** One protocol: reads a body, writes a reply. `usage` null: leave it out. */
export interface SimProtocol {
  read: (body: unknown) => SimCall | null;
  write: (call: SimCall, choices: Choice[], usage: SimUsage | null) => unknown;
  /** Absent: it does not stream. */
  chunks?: SimChunks;
}

const MAX_TOKENS_DEFAULT = 256;

/** A call for plain text, with what its markers ask for, but for what is given. */
export function simCall(given: Partial<SimCall> & { prompt: string }): SimCall {
  const { prompt } = given;
  return {
    promptTokens: countPromptTokens(prompt),
    model: "simulator",
    maxTokens: MAX_TOKENS_DEFAULT,
    n: 1,
    isStream: false,
    includesUsage: false,
    hasOldCapName: false,
    logprobs: null,
    reasoningTokens: wishOf(prompt, "reason", 16) ?? 0,
    cachedTokens: wishOf(prompt, "cached", 16) ?? 0,
    toolCalls: [],
    toolReply: null,
    begun: null,
    schema: undefined,
    embedding: null,
    ...given,
  };
}

/** A `read` that checks a body before it looks into it. */
export function reader<Schema extends TSchema>(
  schema: Schema,
  read: (body: Static<Schema>) => SimCall | null,
): SimProtocol["read"] {
  const check = TypeCompiler.Compile(schema);
  return (body) => (check.Check(body) ? read(body) : null);
}

/** The members that are not undefined, so that defaults are not overwritten by absent fields. */
export function present<Fields extends Record<string, unknown>>(
  fields: Fields,
): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };
}
