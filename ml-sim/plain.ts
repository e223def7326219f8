import { Type as t } from "@sinclair/typebox";

import { present, reader, simCall, type SimProtocol } from "./calls.ts";
import { FIELDS } from "./openai-reply.ts";

const Body = t.Object({ input: t.String(), max_new_tokens: FIELDS.maxTokens, n: FIELDS.n });

/**
 * A shape of its own, for the protocol `json`: `{input, max_new_tokens?, n?}` to
 * `{simulator, output: [{text, finish_reason}], usage?: {input, output}}`.
 */
export const plain: SimProtocol = {
  read: reader(Body, (body) =>
    simCall({ prompt: body.input, ...present({ n: body.n, maxTokens: body.max_new_tokens }) }),
  ),
  write: (_call, choices, usage) => ({
    simulator: true,
    output: choices.map(({ text, finishReason }) => ({ text, finish_reason: finishReason })),
    ...(usage === null
      ? {}
      : { usage: { input: usage.promptTokens, output: usage.completionTokens } }),
  }),
};
