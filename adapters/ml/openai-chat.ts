import { Type as t } from "@sinclair/typebox";

import type { ChatMessage, InferencePayload } from "../../core/request/payload.ts";
import { FinishReason, fitting, memberOf, sharedFields, Usage } from "./openai-fields.ts";
import type { Protocol } from "./protocol.ts";

const Reply = t.Object({
  choices: t.Array(
    t.Object({
      message: t.Object({ content: t.Optional(t.Union([t.String(), t.Null()])) }),
      finish_reason: FinishReason,
    }),
    { minItems: 1 },
  ),
  usage: Usage,
});

/** A prompt is one message of the user. */
function messagesOf(input: InferencePayload["input"]): ChatMessage[] {
  return "messages" in input ? input.messages : [{ role: "user", content: input.prompt }];
}

/**
 * https://platform.openai.com/docs/api-reference/chat, without streaming; as vLLM, TGI and Ollama speak it.
 */
export const openaiChat: Protocol = {
  writeRequest: ({ payload, upstreamModel }) => ({
    ...sharedFields(payload, upstreamModel),
    messages: messagesOf(payload.input),
  }),
  readReply(value) {
    const reply = fitting(Reply, value);
    if (reply === null) return null;
    return {
      choices: reply.choices.map(({ message, finish_reason: finishReason }) => ({
        // A reply may have no content: the cap was reached while the model reasoned, or it refused.
        text: message.content ?? "",
        finishReason: finishReason ?? null,
      })),
      promptTokens: memberOf(reply.usage, "prompt_tokens"),
      completionTokens: memberOf(reply.usage, "completion_tokens"),
    };
  },
};
