import { Type as t } from "@sinclair/typebox";

import { promptText } from "../../core/attempt/prompt-text.ts";
import { FinishReason, fitting, memberOf, sharedFields, Usage } from "./openai-fields.ts";
import type { Protocol } from "./protocol.ts";

const Reply = t.Object({
  choices: t.Array(t.Object({ text: t.String(), finish_reason: FinishReason }), { minItems: 1 }),
  usage: Usage,
});

/**
 * https://platform.openai.com/docs/api-reference/completions, without streaming. Messages are rendered into
 * one prompt.
 */
export const openaiCompletions: Protocol = {
  writeRequest: ({ payload, upstreamModel }) => ({
    ...sharedFields(payload, upstreamModel),
    prompt: promptText(payload.input),
  }),
  readReply(value) {
    const reply = fitting(Reply, value);
    if (reply === null) return null;
    return {
      choices: reply.choices.map(({ text, finish_reason: finishReason }) => ({
        text,
        finishReason: finishReason ?? null,
      })),
      promptTokens: memberOf(reply.usage, "prompt_tokens"),
      completionTokens: memberOf(reply.usage, "completion_tokens"),
    };
  },
};
