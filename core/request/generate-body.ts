import { type Static, Type as t } from "@sinclair/typebox";

const closed = { additionalProperties: false } as const;

const role = t.Union([
  t.Literal("system"),
  t.Literal("developer"),
  t.Literal("user"),
  t.Literal("assistant"),
]);
const message = t.Object({ role, content: t.String({ minLength: 1 }) }, closed);

/**
 * Sampling parameters are passed on as given; names that would change what is billed have fields of their
 * own.
 */
const parameters = t.Object(
  {
    temperature: t.Optional(t.Number({ minimum: 0, maximum: 2 })),
    top_p: t.Optional(t.Number({ minimum: 0, maximum: 1 })),
    stop: t.Optional(t.Union([t.String(), t.Array(t.String(), { maxItems: 4 })])),
    seed: t.Optional(t.Integer()),
    presence_penalty: t.Optional(t.Number({ minimum: -2, maximum: 2 })),
    frequency_penalty: t.Optional(t.Number({ minimum: -2, maximum: 2 })),
  },
  {
    additionalProperties: t.Union([t.String(), t.Number(), t.Boolean(), t.Null()]),
    description: "Passed on to the ML service as given.",
  },
);

/** The body of `POST /generate`: a `prompt` or `messages`, not both. */
export const GenerateBody = t.Object(
  {
    prompt: t.Optional(
      t.String({ minLength: 1, description: "The prompt. Give this or `messages`." }),
    ),
    messages: t.Optional(
      t.Array(message, {
        minItems: 1,
        maxItems: 1_000,
        description: "A chat. Give this or `prompt`.",
      }),
    ),
    model: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 200,
        description: "A model of the configuration; default: its `default_model`.",
      }),
    ),
    max_tokens: t.Optional(
      t.Integer({ minimum: 1, description: "Cap on output tokens per choice." }),
    ),
    n: t.Optional(t.Integer({ minimum: 1, description: "Number of choices." })),
    parameters: t.Optional(parameters),
    metadata: t.Optional(
      t.Record(t.String(), t.Unknown(), {
        description: "Small; returned as given, stored encrypted.",
      }),
    ),
    queue_ttl: t.Optional(
      t.Integer({
        minimum: 1,
        description:
          "Seconds the request may wait for its first attempt; then it is `expired` and not billed.",
      }),
    ),
    deadline: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 40,
        description:
          "The instant by which its first attempt must have started, RFC 3339 with a zone; the earlier of " +
          "this and `queue_ttl` counts. Of what you have waiting the earliest goes first.",
      }),
    ),
    priority: t.Optional(
      t.Union([t.Literal("low"), t.Literal("normal"), t.Literal("high")], {
        description: "Its class among what waits, as urgent as your tier allows; default: normal.",
      }),
    ),
  },
  closed,
);
export type GenerateBody = Static<typeof GenerateBody>;

export const GENERATE_EXAMPLE: GenerateBody = {
  prompt: "Why is the sky blue?",
  max_tokens: 64,
  metadata: { order: 7 },
};
