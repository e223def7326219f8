import { type Static, Type as t } from "@sinclair/typebox";

import { itemsOf, JsonText, memberOf as textOf } from "../../core/json/json-text.ts";
import type { PayloadInput } from "../../core/request/payload.ts";
import {
  bodyOf,
  FinishReason,
  fitting,
  generationFields,
  memberOf,
  Usage,
  usageIn,
} from "./openai-fields.ts";
import { statusInside } from "./error-inside.ts";
import type { MlChoice, Protocol } from "./protocol.ts";

const Part = t.Object({ type: t.String() });
/** Kinds of parts that are the answer; others are thoughts, sources and the like. */
const ANSWERS: ReadonlySet<string> = new Set(["text", "output_text"]);
const Reply = t.Object({
  choices: t.Array(
    t.Object({
      message: t.Object({
        content: t.Optional(t.Union([t.String(), t.Null(), t.Array(Part)])),
      }),
      finish_reason: FinishReason,
    }),
    { minItems: 1 },
  ),
  usage: Usage,
});

/** A prompt is one message of the user. */
function messagesOf(input: PayloadInput): JsonText | null {
  if ("messages" in input) return input.messages;
  const isText = "prompt" in input && typeof input.prompt.parse() === "string";
  return isText ? JsonText.of([{ role: "user", content: input.prompt }]) : null;
}

function saidIn(content: string | null | undefined | Static<typeof Part>[]): string {
  if (!Array.isArray(content)) return content ?? "";
  const texts = content.map((part) => (ANSWERS.has(part.type) ? memberOf(part, "text") : ""));
  return texts.filter((text) => typeof text === "string").join("");
}

/** Whether a message says no more than its text. */
function isPlain(message: Readonly<Record<string, unknown>>): boolean {
  return (
    typeof message["content"] === "string" &&
    Object.keys(message).every((name) => name === "content" || name === "role")
  );
}

/** What a reply has of choice number `index` beyond its text, as it is written. */
function extrasOf(choice: JsonText): Pick<MlChoice, "message" | "logprobs"> {
  const message = textOf(choice, "message");
  const logprobs = textOf(choice, "logprobs");
  return {
    ...(message && !isPlain(message.parse() as Record<string, unknown>) ? { message } : {}),
    ...(logprobs && logprobs.text !== "null" ? { logprobs } : {}),
  };
}

/** https://platform.openai.com/docs/api-reference/chat, as vLLM, TGI and Ollama speak it. */
export const openaiChat: Protocol = {
  writeRequest(call) {
    const { payload } = call;
    const messages = messagesOf(payload.input);
    if (messages === null) return null;
    return bodyOf(payload, { ...generationFields(call), messages });
  },
  streams: true,
  statusInside,
  readReply(text) {
    const reply = fitting(Reply, text.parse());
    if (reply === null) return null;
    const written = itemsOf(textOf(text, "choices") ?? new JsonText("[]"));
    return {
      choices: reply.choices.map(({ message, finish_reason: finishReason }, index) => ({
        // A reply may have no content: the cap was reached while the model reasoned, or it calls a tool.
        text: saidIn(message.content),
        finishReason: finishReason ?? null,
        ...extrasOf(written[index] ?? new JsonText("{}")),
      })),
      usage: usageIn(reply.usage),
    };
  },
};
