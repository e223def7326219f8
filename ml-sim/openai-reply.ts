import { Type as t } from "@sinclair/typebox";

import type { SimCall, SimUsage } from "./calls.ts";
import { wordsOf } from "./text.ts";

/** Fields that the bodies of several protocols share. */
export const FIELDS = {
  model: t.Optional(t.String()),
  maxTokens: t.Optional(t.Integer({ minimum: 1, maximum: 1_000_000 })),
  n: t.Optional(t.Integer({ minimum: 1, maximum: 128 })),
  stream: t.Optional(t.Boolean()),
  streamOptions: t.Optional(t.Object({ include_usage: t.Optional(t.Boolean()) })),
};

/** A reply or a chunk of one in OpenAI's shape, which says that it comes from a simulator. */
export function envelope(object: string, { model }: SimCall, choices: unknown[]) {
  return { id: "sim", object, created: 0, model, system_fingerprint: "simulator", choices };
}

/** A chunk of a stream: where a usage will come, the others say that it is not theirs. */
export function chunk(object: string, call: SimCall, choices: unknown[]) {
  return { ...envelope(object, call, choices), ...(call.includesUsage ? { usage: null } : {}) };
}

export function usageFields(usage: SimUsage) {
  const { reasoningTokens, cachedTokens } = usage;
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.totalTokens,
    ...(cachedTokens > 0 ? { prompt_tokens_details: { cached_tokens: cachedTokens } } : {}),
    ...(reasoningTokens > 0
      ? { completion_tokens_details: { reasoning_tokens: reasoningTokens } }
      : {}),
  };
}

const LOGPROB = -0.25;

/** The tokens of a text with their probabilities, as a chat shows them. */
export function chatLogprobs(text: string, alternatives: number) {
  const one = (token: string, logprob: number) => ({
    token,
    logprob,
    bytes: [...Buffer.from(token)],
  });
  return {
    content: wordsOf(text).map((token) => ({
      ...one(token, LOGPROB),
      top_logprobs: Array.from({ length: alternatives }, (_, i) => one(token, LOGPROB - i)),
    })),
    refusal: null,
  };
}

/** The same as a completion shows them. */
export function completionLogprobs(text: string, alternatives: number) {
  const tokens = wordsOf(text);
  let at = 0;
  return {
    tokens,
    token_logprobs: tokens.map(() => LOGPROB),
    top_logprobs: alternatives === 0 ? null : tokens.map((token) => ({ [token]: LOGPROB })),
    text_offset: tokens.map((token) => (at += token.length) - token.length),
  };
}
