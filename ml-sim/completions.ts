import { type Static, Type as t } from "@sinclair/typebox";

import { present, reader, type SimCall, simCall, type SimProtocol } from "./calls.ts";
import { chunk, completionLogprobs, envelope, FIELDS, usageFields } from "./openai-reply.ts";

const Body = t.Object({
  prompt: t.Union([t.String(), t.Array(t.Integer(), { minItems: 1 })]),
  model: FIELDS.model,
  max_tokens: FIELDS.maxTokens,
  n: FIELDS.n,
  stream: FIELDS.stream,
  stream_options: FIELDS.streamOptions,
  logprobs: t.Optional(t.Integer({ minimum: 0, maximum: 5 })),
});

function readBody(body: Static<typeof Body>): SimCall {
  const { prompt } = body;
  return simCall({
    prompt: typeof prompt === "string" ? prompt : prompt.join(" "),
    isStream: body.stream === true,
    includesUsage: body.stream_options?.include_usage === true,
    hasOldCapName: body.max_tokens !== undefined,
    logprobs: body.logprobs ?? null,
    ...(typeof prompt === "string" ? {} : { promptTokens: prompt.length }),
    ...present({ model: body.model, n: body.n, maxTokens: body.max_tokens }),
  });
}

const OBJECT = "text_completion";

function choiceOf(call: SimCall, index: number, text: string, finishReason: string | null) {
  const logprobs =
    call.logprobs === null ? {} : { logprobs: completionLogprobs(text, call.logprobs) };
  return { index, text, ...logprobs, finish_reason: finishReason };
}

/** https://platform.openai.com/docs/api-reference/completions, for one prompt: a text or its tokens. */
export const completions: SimProtocol = {
  read: reader(Body, readBody),
  write: (call, outputs, usage) => {
    const choices = outputs.map(({ text, finishReason }, index) =>
      choiceOf(call, index, text, finishReason),
    );
    const reply = envelope(OBJECT, call, choices);
    return usage === null ? reply : { ...reply, usage: usageFields(usage) };
  },
  chunks: {
    // There is no other place for what a completion does not have.
    piece: (call, index, piece) =>
      chunk(OBJECT, call, [choiceOf(call, index, piece.kind === "text" ? piece.text : "", null)]),
    finish: (call, index, finishReason) =>
      chunk(OBJECT, call, [choiceOf(call, index, "", finishReason)]),
    usage: (call, usage) => ({ ...envelope(OBJECT, call, []), usage: usageFields(usage) }),
  },
};
