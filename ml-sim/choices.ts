import type { SimCall } from "./calls.ts";
import { schemaValue } from "./schema-value.ts";
import { makeOutput, type Output, wordsOf } from "./text.ts";

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
}

/** One choice of an answer. */
export interface Choice {
  text: string;
  reasoning: string;
  toolCalls: ToolCall[];
  /** All output tokens, those of the reasoning too. */
  tokens: number;
  reasoningTokens: number;
  finishReason: string;
  /** Whether the content comes as a list of parts. */
  isParts: boolean;
}

/** What a stream brings at once: about a token. `call` counts the tool calls of a choice from 0 on. */
export type Piece =
  | { kind: "text" | "reasoning"; text: string; isParts: boolean }
  | { kind: "tool_call"; call: number; id: string; name: string }
  | { kind: "arguments"; call: number; text: string };

interface TokenRange {
  min: number;
  max: number;
}

const ARGUMENTS_PIECE = /[\s\S]{1,8}/gu;
const TOKENS_UNBOUNDED = 1_000_000;

/** The choice that a call always leads to. Choices of a call differ by their index. */
export function makeChoice(call: SimCall, index: number, range: TokenRange): Choice {
  const reasoningTokens = Math.min(call.reasoningTokens, call.maxTokens);
  const tokensLeft = call.maxTokens - reasoningTokens;
  const fixed = { min: reasoningTokens, max: reasoningTokens };
  const reasoning =
    reasoningTokens === 0
      ? ""
      : makeOutput(`why: ${call.prompt}`, index, reasoningTokens, fixed).text;
  const { text, toolCalls, tokens, finishReason } =
    call.toolCalls.length > 0
      ? callTools(call, index, tokensLeft)
      : { toolCalls: [], ...sayText(call, index, tokensLeft, range) };
  return {
    text,
    reasoning,
    toolCalls,
    tokens: reasoningTokens + tokens,
    reasoningTokens,
    finishReason,
    isParts: false,
  };
}

function sayText(call: SimCall, index: number, maxTokens: number, range: TokenRange): Output {
  const { prompt, toolReply, schema, begun } = call;
  if (toolReply !== null) return cutAt(`The tool replied: ${toolReply}`, maxTokens);
  if (schema !== undefined) {
    const seed = Bun.hash.xxHash32(prompt, index);
    return cutAt(JSON.stringify(schemaValue(schema, seed)), maxTokens);
  }
  if (begun === null && maxTokens > 0) return makeOutput(prompt, index, maxTokens, range);
  const whole = makeOutput(prompt, index, TOKENS_UNBOUNDED, range).text;
  return cutAt(whole.startsWith(begun ?? "") ? whole.slice(begun?.length) : ` ${whole}`, maxTokens);
}

function callTools(call: SimCall, index: number, maxTokens: number) {
  const seed = Bun.hash.xxHash32(call.prompt, index);
  const toolCalls = call.toolCalls.map(({ name, parameters }, i) => ({
    id: `call_${(seed + i).toString(36)}`,
    name,
    arguments: JSON.stringify(schemaValue(parameters ?? { type: "object" }, seed)),
  }));
  const tokens = toolCalls.reduce((sum, made) => sum + 1 + argumentPieces(made).length, 0);
  // Half a call is of no use to anybody, so that what does not fit is not begun.
  return tokens > maxTokens
    ? { text: "", toolCalls: [], tokens: maxTokens, finishReason: "length" }
    : { text: "", toolCalls, tokens, finishReason: "tool_calls" };
}

function cutAt(text: string, maxTokens: number): Output {
  const words = wordsOf(text);
  const kept = words.slice(0, maxTokens);
  const finishReason = kept.length < words.length ? "length" : "stop";
  return { text: kept.join(""), tokens: kept.length, finishReason };
}

/** The first half of the words of a choice, which ends for another reason. */
export function halfOf(choice: Choice, finishReason: string): Choice {
  const words = wordsOf(choice.text);
  const half = words.slice(0, words.length >> 1);
  const tokens = choice.reasoningTokens + half.length;
  return { ...choice, text: half.join(""), toolCalls: [], tokens, finishReason };
}

const argumentPieces = (call: ToolCall): string[] => call.arguments.match(ARGUMENTS_PIECE) ?? [];

/** A choice as a stream brings it: its pieces together are the whole. */
export function piecesOf(choice: Choice): Piece[] {
  const { reasoning, text, toolCalls, isParts } = choice;
  return [
    ...wordsOf(reasoning).map((word): Piece => ({ kind: "reasoning", text: word, isParts })),
    ...wordsOf(text).map((word): Piece => ({ kind: "text", text: word, isParts })),
    ...toolCalls.flatMap((made, call): Piece[] => [
      { kind: "tool_call", call, id: made.id, name: made.name },
      ...argumentPieces(made).map((part): Piece => ({ kind: "arguments", call, text: part })),
    ]),
  ];
}
