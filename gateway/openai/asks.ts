import { type Static, Type as t } from "@sinclair/typebox";

import { invalidField } from "../../core/faults.ts";
import { JsonText } from "../../core/json/json-text.ts";
import type { Ask, Door } from "../../core/request/ask.ts";
import { Messages, Texts } from "../../core/request/generate-body.ts";
import type { PayloadInput } from "../../core/request/payload.ts";
import { fieldsOf } from "../accept/native-ask.ts";

const orNull = <Schema extends Parameters<typeof t.Union>[0][number]>(schema: Schema) =>
  t.Optional(t.Union([schema, t.Null()]));

/** What metering owns of a body that generates; all else is passed on as given. */
const generation = {
  model: t.String({ minLength: 1, maxLength: 200, description: "A model of `GET /v1/models`." }),
  max_tokens: orNull(t.Integer({ minimum: 1, description: "Cap on output tokens per choice." })),
  n: orNull(t.Integer({ minimum: 1, description: "Number of choices." })),
  stream: orNull(t.Boolean({ description: "Whether to answer with server-sent events." })),
  stream_options: orNull(t.Object({ include_usage: t.Optional(t.Union([t.Boolean(), t.Null()])) })),
};
const open = {
  additionalProperties: true,
  description: "As OpenAI has it; more parameters are passed on as given.",
} as const;

export const ChatBody = t.Object(
  {
    ...generation,
    messages: Messages,
    max_completion_tokens: orNull(
      t.Integer({ minimum: 1, description: "The newer name of `max_tokens`." }),
    ),
  },
  open,
);

export const CompletionsBody = t.Object({ ...generation, prompt: Texts }, open);
export const EmbeddingsBody = t.Object({ model: generation.model, input: Texts }, open);

type ChatBody = Static<typeof ChatBody>;
type CompletionsBody = Static<typeof CompletionsBody>;
type EmbeddingsBody = Static<typeof EmbeddingsBody>;

/** Fields that the request has elsewhere than among its parameters. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "prompt",
  "input",
  "max_tokens",
  "max_completion_tokens",
  "n",
  "stream",
  "stream_options",
  "metadata",
]);

/** @throws {Fault} BODY_INVALID */
export function chatAsk(value: ChatBody, body: JsonText): Ask {
  const { max_tokens: old, max_completion_tokens: cap } = value;
  if (typeof old === "number" && typeof cap === "number" && old !== cap)
    throw invalidField("/max_tokens", "contradicts `max_completion_tokens`; give one of them");
  return askOf("chat", value, { max_tokens: cap ?? old ?? null }, body, (fields) => ({
    messages: new JsonText(fields.get("messages")?.text ?? "", value.messages),
  }));
}

/** @throws {Fault} BODY_INVALID */
export function completionsAsk(value: CompletionsBody, body: JsonText): Ask {
  return askOf("completions", value, value, body, (fields) => ({
    prompt: new JsonText(fields.get("prompt")?.text ?? "", value.prompt),
  }));
}

/** @throws {Fault} BODY_INVALID */
export function embeddingsAsk(value: EmbeddingsBody, body: JsonText): Ask {
  return askOf("embeddings", value, {}, body, (fields) => ({
    input: new JsonText(fields.get("input")?.text ?? "", value.input),
  }));
}

function askOf(
  door: Door,
  { model, n, stream }: Pick<ChatBody, "model" | "n" | "stream">,
  { max_tokens: maxTokens }: Pick<ChatBody, "max_tokens">,
  body: JsonText,
  inputOf: (fields: ReadonlyMap<string, JsonText>) => PayloadInput,
): Ask {
  const fields = fieldsOf(body);
  const metadata = fields.get("metadata");
  return {
    model,
    input: inputOf(fields),
    maxTokens: maxTokens ?? undefined,
    n: n ?? undefined,
    parameters: new Map([...fields].filter(([name]) => !OWN_FIELDS.has(name))),
    isStreamed: stream === true,
    metadata: metadata?.text === "null" ? undefined : metadata,
    queueTtl: undefined,
    deadline: undefined,
    priority: undefined,
    body,
    door,
  };
}
