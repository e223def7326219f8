import { type Static, Type as t } from "@sinclair/typebox";

const closed = { additionalProperties: false } as const;

/** A message as far as it has to be of a form; what else it has is passed on as given. */
const Message = t.Object(
  {
    role: t.Union(
      ["system", "developer", "user", "assistant", "tool", "function"].map((role) =>
        t.Literal(role),
      ),
      { description: "Who speaks." },
    ),
    content: t.Optional(
      t.Union(
        [
          t.String(),
          t.Null(),
          t.Array(t.Object({ type: t.String({ minLength: 1 }) }), { maxItems: 1_000 }),
        ],
        { description: "A text, or parts such as `text` and `image_url`." },
      ),
    ),
  },
  { description: "As OpenAI's chat has it; more members are passed on as given." },
);
export const Messages = t.Array(Message, {
  minItems: 1,
  maxItems: 10_000,
  description: "A chat.",
});

const Tokens = t.Array(t.Integer({ minimum: 0 }), { minItems: 1 });
const TEXTS = "a text, a list of texts, tokens, or a list of tokens";
/** What a model completes or embeds. */
export const Texts = t.Union(
  [
    t.String({ minLength: 1 }),
    t.Array(t.String({ minLength: 1 }), { minItems: 1, maxItems: 2_048 }),
    Tokens,
    t.Array(Tokens, { minItems: 1, maxItems: 2_048 }),
  ],
  { title: TEXTS, description: "A text, several, a list of tokens, or several of these." },
);

/** Names that would change what is billed have fields of their own. */
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
    additionalProperties: true,
    description: "Passed on to the ML service as given.",
  },
);

/** What a chat may come with, beside the native parameters: passed on as given, in their own fields. */
const CHAT_PARAMETERS = {
  tools: t.Optional(
    t.Array(t.Object({}), { maxItems: 1_000, description: "Tools that the model may call." }),
  ),
  tool_choice: t.Optional(t.Unknown({ description: "Which tool the model must or may call." })),
  parallel_tool_calls: t.Optional(t.Boolean()),
  response_format: t.Optional(
    t.Object({}, { description: "The form of the answer, such as a JSON schema." }),
  ),
};
export const CHAT_PARAMETER_NAMES = Object.keys(CHAT_PARAMETERS);

/** The body of `POST /generate`: a `prompt`, `messages` or an `input`, one of them. */
export const GenerateBody = t.Object(
  {
    prompt: t.Optional(
      t.Union(Texts.anyOf, {
        title: TEXTS,
        description: "The prompt; several, or tokens, only for a model of completions.",
      }),
    ),
    messages: t.Optional(Messages),
    input: t.Optional(
      t.Union(Texts.anyOf, { title: TEXTS, description: "What a model of embeddings embeds." }),
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
    ...CHAT_PARAMETERS,
    parameters: t.Optional(parameters),
    stream: t.Optional(
      t.Boolean({
        description: "Whether the answer is to be read while it is made, at `/status/{id}/events`.",
      }),
    ),
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
  parameters: { temperature: 0.2 },
  metadata: { order: 7 },
};
