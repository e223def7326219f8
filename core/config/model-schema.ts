import { type Static, Type as t } from "@sinclair/typebox";

import { ALLOWED_PARAMETERS } from "./allowed-parameters.ts";
import { closed, count, ms } from "./fields.ts";
import { isThisMachine } from "./this-machine.ts";
import { tls } from "./tls-schema.ts";

const expression = (description: string) =>
  t.String({ minLength: 1, description: `${description} A JSONata expression.` });

const jsonMapping = t.Object(
  {
    request: expression(
      "The body to post. Sees `prompt`, `messages`, `max_tokens`, `n`, `parameters`, `model`.",
    ),
    text: expression("The text in the reply, or an array of texts when n > 1."),
    finish_reason: t.Optional(expression("Why the text ended.")),
    prompt_tokens: t.Optional(expression("Prompt tokens used. Without it they are counted here.")),
    completion_tokens: t.Optional(
      expression("Completion tokens used. Without it they are counted here."),
    ),
    retryable: t.Optional(
      expression("Whether a failed reply may be retried. Sees `status` and `body`."),
    ),
  },
  closed,
);

/** One ML service: how it is called, and the limits of its calls. */
export const model = t.Object(
  {
    protocol: t.Union(
      [
        t.Literal("openai-chat"),
        t.Literal("openai-completions"),
        t.Literal("openai-embeddings"),
        t.Literal("json"),
      ],
      { description: "How the ML service is spoken to." },
    ),
    url: t.String({ pattern: "^https?://", description: "The URL that an attempt is posted to." }),
    urls: t.Array(t.String({ pattern: "^https?://" }), {
      default: [],
      description:
        "More URLs of the same service, if it has replicas that nothing balances. Each call goes to the " +
        "one with the fewest under way; one that is away is left out for a while. A plain http name of " +
        "several addresses counts as so many replicas.",
    }),
    upstream_model: t.Optional(
      t.String({
        minLength: 1,
        description: "The model's name at the ML service; default: the name here.",
      }),
    ),
    tls,
    proxy: t.Optional(
      t.String({
        pattern: "^https?://",
        description:
          "The proxy that calls go through; default: none. HTTP_PROXY and its like are not used.",
      }),
    ),
    fields: t.Object(
      {
        max_tokens: t.String({
          minLength: 1,
          default: "max_tokens",
          description:
            "What the ML service calls the cap on output tokens, such as max_completion_tokens. For both " +
            "OpenAI protocols.",
        }),
      },
      { ...closed, default: {} },
    ),
    failed_finish_reasons: t.Array(t.String({ minLength: 1 }), {
      default: ["abort", "error"],
      description:
        "A finish_reason that says that the service stopped in the middle: tried again, not billed.",
    }),
    allowed_parameters: t.Array(t.String({ minLength: 1 }), {
      default: ALLOWED_PARAMETERS,
      description:
        "Parameters of callers that are passed on; others are refused by name. `*` allows all but those " +
        "that would change what is billed.",
    }),
    headers: t.Record(t.String(), t.String(), {
      default: {},
      description: "More headers of each call.",
    }),
    api_key_env: t.Optional(
      t.String({ description: "Environment variable of the bearer token; workers require it." }),
    ),
    mapping: t.Optional(jsonMapping),
    timeout_ms: ms(
      60_000,
      "Longest one attempt may take. One that outlasts worker.grace_ms when its worker stops is given back " +
        "and called again.",
    ),
    idle_timeout_ms: ms(
      60_000,
      "Longest silence of an ML service that answers in pieces, once it has begun to.",
    ),
    continuation: t.Optional(
      t.Literal("final_message", {
        description:
          "Where a worker dies in the middle of a streamed answer, ask the ML service to go on from what " +
          "was said, by `continue_final_message` (vLLM, SGLang). Else the stream breaks off.",
      }),
    ),
    on_disconnect: t.Optional(
      t.Union([t.Literal("cancel"), t.Literal("keep")], {
        description: "As `openai.on_disconnect`, for this model.",
      }),
    ),
    stream_upstream: t.Boolean({
      default: false,
      description:
        "Ask the ML service for pieces also where nobody reads them, so that a stalled call is found out.",
    }),
    concurrency_max: count(32, "Attempts under way at once per worker process."),
    concurrency_min: count(1, "The adaptive limit never falls below this."),
    output_tokens_default: count(256, "Cap on output tokens when the caller names none."),
    output_tokens_max: count(4_096, "Largest cap on output tokens a caller may ask for."),
    prompt_tokens_max: count(32_768, "Longest prompt in tokens."),
    media_tokens: count(1_000, "Tokens that an image, a sound or a file counts in an estimate."),
    reply_bytes_max: count(
      4_194_304,
      "Longest reply that is read; a longer one fails the request.",
    ),
    breaker_failures: count(
      10,
      "Failed executions that pause: of one user in a row that user, of several users the model.",
    ),
    breaker_open_ms: ms(1_000, "The first pause of a model that cannot be called; it doubles."),
    breaker_open_max_ms: ms(
      60_000,
      "The longest pause, unless the ML service asks for more by Retry-After.",
    ),
  },
  { ...closed, default: {} },
);

type ModelUrls = Pick<Static<typeof model>, "url" | "urls" | "tls">;

/** Which URLs of a model lead to another machine in plain text, as far as that is not allowed. */
export function modelProblems(
  name: string,
  { url, urls, tls: files }: ModelUrls,
  allowsPlaintext: boolean,
): string[] {
  const named = [["url", url] as const, ...urls.map((one) => ["urls", one] as const)];
  return named.flatMap(([field, text]) => {
    const parts = URL.parse(text);
    if (parts === null) return [`models.${name}.${field}: is not a URL`];
    if (parts.protocol === "https:") return [];
    if (files !== undefined)
      return [`models.${name}.${field}: must begin with https:// where models.${name}.tls is set`];
    if (allowsPlaintext || isThisMachine(parts.hostname.replace(/^\[|\]$/g, ""))) return [];
    return [
      `models.${name}.${field}: leads to another machine in plain text; use https://, or say ` +
        "allow_plaintext: true",
    ];
  });
}
