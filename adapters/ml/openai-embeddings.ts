import { Type as t } from "@sinclair/typebox";

import { memberOf as textOf } from "../../core/json/json-text.ts";
import { statusInside } from "./error-inside.ts";
import { bodyOf, fitting, Usage, usageIn } from "./openai-fields.ts";
import type { Protocol } from "./protocol.ts";

const Reply = t.Object({
  data: t.Array(t.Object({ embedding: t.Union([t.String(), t.Array(t.Number())]) }), {
    minItems: 1,
  }),
  usage: Usage,
});

/** https://platform.openai.com/docs/api-reference/embeddings. There is nothing to generate. */
export const openaiEmbeddings: Protocol = {
  writeRequest({ payload, upstreamModel }) {
    const { input } = payload;
    return "input" in input ? bodyOf(payload, { model: upstreamModel, input: input.input }) : null;
  },
  statusInside,
  readReply(text) {
    const reply = fitting(Reply, text.parse());
    const data = textOf(text, "data");
    if (reply === null || data === undefined) return null;
    return {
      choices: [],
      data,
      usage: { ...usageIn(reply.usage), completionTokens: 0 },
    };
  },
};
