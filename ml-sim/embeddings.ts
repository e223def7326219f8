import { type Static, Type as t } from "@sinclair/typebox";

import { present, reader, type SimCall, simCall, type SimProtocol } from "./calls.ts";
import { seededRandom } from "./faults.ts";
import { FIELDS } from "./openai-reply.ts";
import { countPromptTokens } from "./text.ts";

const DIMENSIONS_DEFAULT = 256;
const Tokens = t.Array(t.Integer({ minimum: 0 }), { minItems: 1 });
const Body = t.Object({
  input: t.Union([
    t.String(),
    t.Array(t.String(), { minItems: 1, maxItems: 2_048 }),
    Tokens,
    t.Array(Tokens, { minItems: 1, maxItems: 2_048 }),
  ]),
  model: FIELDS.model,
  dimensions: t.Optional(t.Integer({ minimum: 1, maximum: 8_192 })),
  encoding_format: t.Optional(t.Union([t.Literal("float"), t.Literal("base64")])),
});

/** The inputs of a body, each a text or its tokens. */
function inputsOf(input: Static<typeof Body>["input"]): (string | number[])[] {
  if (typeof input === "string") return [input];
  const inputs: (string | number | number[])[] = input;
  const tokens = inputs.filter((one) => typeof one === "number");
  return tokens.length > 0 ? [tokens] : inputs.filter((one) => typeof one !== "number");
}

function readBody(body: Static<typeof Body>): SimCall {
  const inputs = inputsOf(body.input);
  const texts = inputs.map((one) => (typeof one === "string" ? one : one.join(" ")));
  return simCall({
    prompt: texts.join("\n"),
    promptTokens: inputs.reduce(
      (sum, one) => sum + (typeof one === "string" ? countPromptTokens(one) : one.length),
      0,
    ),
    // It says nothing.
    n: 0,
    embedding: {
      inputs: texts,
      dimensions: body.dimensions ?? DIMENSIONS_DEFAULT,
      isBase64: body.encoding_format === "base64",
    },
    ...present({ model: body.model }),
  });
}

/** The vector of length 1 that a text always leads to. */
function vectorOf(text: string, dimensions: number): Float32Array {
  const random = seededRandom(Bun.hash.xxHash32(text));
  const vector = Float32Array.from({ length: dimensions }, () => random() - 0.5);
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

/** Float32, little-endian, whatever the machine is. */
function toBase64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  vector.forEach((value, i) => bytes.writeFloatLE(value, i * 4));
  return bytes.toString("base64");
}

/** https://platform.openai.com/docs/api-reference/embeddings */
export const embeddings: SimProtocol = {
  read: reader(Body, readBody),
  write: ({ model, embedding }, _choices, usage) => ({
    object: "list",
    data: embedding?.inputs.map((text, index) => {
      const vector = vectorOf(text, embedding.dimensions);
      const written = embedding.isBase64 ? toBase64(vector) : [...vector];
      return { object: "embedding", index, embedding: written };
    }),
    model,
    system_fingerprint: "simulator",
    ...(usage === null
      ? {}
      : { usage: { prompt_tokens: usage.promptTokens, total_tokens: usage.totalTokens } }),
  }),
};
