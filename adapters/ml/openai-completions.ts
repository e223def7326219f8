import { Type as t } from "@sinclair/typebox";

import { promptText } from "../../core/attempt/prompt-text.ts";
import { itemsOf, JsonText, memberOf as textOf } from "../../core/json/json-text.ts";
import {
  bodyOf,
  FinishReason,
  fitting,
  generationFields,
  Usage,
  usageIn,
} from "./openai-fields.ts";
import { statusInside } from "./error-inside.ts";
import type { Protocol } from "./protocol.ts";

const Reply = t.Object({
  choices: t.Array(t.Object({ text: t.String(), finish_reason: FinishReason }), { minItems: 1 }),
  usage: Usage,
});

/** https://platform.openai.com/docs/api-reference/completions. Messages are rendered into one prompt. */
export const openaiCompletions: Protocol = {
  writeRequest(call) {
    const { payload } = call;
    const { input } = payload;
    const prompt = "prompt" in input ? input.prompt : promptText(input);
    return bodyOf(payload, { ...generationFields(call), prompt });
  },
  streams: true,
  statusInside,
  readReply(text) {
    const reply = fitting(Reply, text.parse());
    if (reply === null) return null;
    const written = itemsOf(textOf(text, "choices") ?? new JsonText("[]"));
    return {
      choices: reply.choices.map(({ text: said, finish_reason: finishReason }, index) => {
        const logprobs = written[index] && textOf(written[index], "logprobs");
        const isGiven = logprobs !== undefined && logprobs.text !== "null";
        return {
          text: said,
          finishReason: finishReason ?? null,
          ...(isGiven ? { logprobs } : {}),
        };
      }),
      usage: usageIn(reply.usage),
    };
  },
};
