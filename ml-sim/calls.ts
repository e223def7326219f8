import { type Static, type TSchema, Type as t } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";

import type { Output } from "./text.ts";

/** A call as the simulator works on it, whatever the protocol. */
export interface SimCall {
  prompt: string;
  model: string;
  maxTokens: number;
  n: number;
}

export interface SimUsage {
  promptTokens: number;
  completionTokens: number;
}

/** One protocol: reads a body, writes a reply. `usage` null: leave it out. */
export interface SimProtocol {
  read: (body: unknown) => SimCall | null;
  write: (call: SimCall, outputs: Output[], usage: SimUsage | null) => unknown;
}

const MAX_TOKENS_DEFAULT = 256;
const maxTokens = t.Optional(t.Integer({ minimum: 1, maximum: 1_000_000 }));
const n = t.Optional(t.Integer({ minimum: 1, maximum: 128 }));
const model = t.Optional(t.String());

function reader<Schema extends TSchema>(
  schema: Schema,
  read: (body: Static<Schema>) => SimCall,
): SimProtocol["read"] {
  const check = TypeCompiler.Compile(schema);
  return (body) => (check.Check(body) ? read(body) : null);
}

const openaiUsage = ({ promptTokens, completionTokens }: SimUsage) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
});

function openaiReply(object: string, call: SimCall, choices: unknown[], usage: SimUsage | null) {
  return {
    id: "sim",
    object,
    created: 0,
    model: call.model,
    system_fingerprint: "simulator",
    choices,
    ...(usage === null ? {} : { usage: openaiUsage(usage) }),
  };
}

const chat: SimProtocol = {
  read: reader(
    t.Object({
      messages: t.Array(t.Object({ content: t.String() }), { minItems: 1 }),
      model,
      max_tokens: maxTokens,
      n,
    }),
    (body) => ({
      prompt: body.messages.map(({ content }) => content).join("\n"),
      model: body.model ?? "simulator",
      maxTokens: body.max_tokens ?? MAX_TOKENS_DEFAULT,
      n: body.n ?? 1,
    }),
  ),
  write: (call, outputs, usage) => {
    const choices = outputs.map(({ text, finishReason }, index) => ({
      index,
      message: { role: "assistant", content: text },
      finish_reason: finishReason,
    }));
    return openaiReply("chat.completion", call, choices, usage);
  },
};

const completions: SimProtocol = {
  read: reader(t.Object({ prompt: t.String(), model, max_tokens: maxTokens, n }), (body) => ({
    prompt: body.prompt,
    model: body.model ?? "simulator",
    maxTokens: body.max_tokens ?? MAX_TOKENS_DEFAULT,
    n: body.n ?? 1,
  })),
  write: (call, outputs, usage) => {
    const choices = outputs.map(({ text, finishReason }, index) => ({
      index,
      text,
      finish_reason: finishReason,
    }));
    return openaiReply("text_completion", call, choices, usage);
  },
};

/**
 * A shape of its own, for the protocol `json`: `{input, max_new_tokens?, n?}` to
 * `{simulator, output: [{text, finish_reason}], usage?: {input, output}}`.
 */
const plain: SimProtocol = {
  read: reader(t.Object({ input: t.String(), max_new_tokens: maxTokens, n }), (body) => ({
    prompt: body.input,
    model: "simulator",
    maxTokens: body.max_new_tokens ?? MAX_TOKENS_DEFAULT,
    n: body.n ?? 1,
  })),
  write: (_call, outputs, usage) => ({
    simulator: true,
    output: outputs.map(({ text, finishReason }) => ({ text, finish_reason: finishReason })),
    ...(usage === null
      ? {}
      : { usage: { input: usage.promptTokens, output: usage.completionTokens } }),
  }),
};

export const PROTOCOLS: Readonly<Record<string, SimProtocol>> = {
  "/v1/chat/completions": chat,
  "/v1/completions": completions,
  "/generate": plain,
};
