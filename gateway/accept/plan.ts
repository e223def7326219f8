import type { Config, ModelConfig } from "../../core/config/schema.ts";
import { estimateTokens, promptTokens } from "../../core/request/estimate.ts";
import { Fault, type FaultDetail, invalidFields } from "../../core/faults.ts";
import type { JsonText } from "../../core/json/json-text.ts";
import type { Priority } from "../../core/queue/fair-order.ts";
import type { Ask } from "../../core/request/ask.ts";
import { type Content, contentOf, promptsOf } from "../../core/request/content.ts";
import { parseInstant } from "../../core/request/instant.ts";
import { excessesOf } from "./excesses.ts";
import { type InferencePayload, RESERVED_PARAMETERS } from "../../core/request/payload.ts";

/** What an ask comes to, with the configuration's defaults filled in and its bounds checked. */
export interface Plan {
  model: string;
  modelConfig: ModelConfig;
  payload: InferencePayload;
  /** What of it is counted. */
  content: Content;
  metadata: JsonText | null;
  queueTtlMs: number;
  /** null: the caller gave none. Whether these two are allowed, `planTurn` says. */
  deadlineMs: number | null;
  priority: Priority | null;
}

/** How many wrong fields a reply names. */
const NAMED_MAX = 100;

function wrongText(text: string, field: string): FaultDetail[] {
  if (text.includes("\0")) return [{ field, message: "must not contain the NUL character" }];
  if (!text.isWellFormed())
    return [{ field, message: "must be valid Unicode, without lone surrogates" }];
  return [];
}

/** Of every text in a value, names of members included. The depth of a body is bounded. */
function wrongTexts(value: unknown, field: string, found: FaultDetail[]): void {
  if (found.length >= NAMED_MAX) return;
  if (typeof value === "string") found.push(...wrongText(value, field));
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    found.push(...wrongText(name, field));
    wrongTexts(member, `${field}/${name}`, found);
  }
}

/** @throws {Fault} PROMPT_TOO_LONG */
function checkSize(content: Content, bytesMax: number): void {
  const bytes = content.texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes > bytesMax)
    throw new Fault(
      "PROMPT_TOO_LONG",
      `the prompt has ${bytes} bytes; at most ${bytesMax} are taken`,
    );
}

const RESERVED_WORDS = {
  native: "is not a sampling parameter; use the fields of the body",
  openai: "is not taken: it would change what is billed",
};

/** Parameters that are a field of ours, or that the model does not allow. */
function wrongParameters(
  { parameters, door }: Ask,
  { allowed_parameters: allowed }: ModelConfig,
): FaultDetail[] {
  return [...parameters.keys()].flatMap((name) => {
    const field = `${door === "native" ? "/parameters" : ""}/${name}`;
    if (RESERVED_PARAMETERS.some((reserved) => reserved === name))
      return [{ field, message: RESERVED_WORDS[door === "native" ? "native" : "openai"] }];
    const isAllowed = allowed.includes("*") || allowed.includes(name);
    return isAllowed ? [] : [{ field, message: "is not allowed for this model" }];
  });
}

/** What no ML service of this protocol could be asked. */
function wrongKind({ input }: Ask, { protocol }: ModelConfig): FaultDetail[] {
  const embeds = protocol === "openai-embeddings";
  if ("input" in input !== embeds) {
    const message = embeds
      ? "embeds: give it `input`"
      : "does not embed: give `prompt` or `messages`";
    return [{ field: "/model", message }];
  }
  if ("prompt" in input && protocol !== "openai-completions" && Array.isArray(input.prompt.parse()))
    return [
      {
        field: "/prompt",
        message: "must be one text: only a model of completions takes several, or tokens",
      },
    ];
  return [];
}

/** Everything wrong with an ask that its schema does not say, in the order in which it is checked. */
function problemsOf(ask: Ask, modelConfig: ModelConfig, config: Config): FaultDetail[] {
  const { input, parameters, metadata, deadline } = ask;
  const { metadata_bytes_max: metadataMax } = config.gateway;
  const texts: FaultDetail[] = [];
  // JSON writes neither of them but by an escape.
  if (ask.body.text.includes("\\u"))
    for (const [name, text] of [...Object.entries<JsonText>(input), ...parameters])
      wrongTexts(text.parse(), `/${name}`, texts);
  const numbers = {
    model: ask.model,
    n: ask.n,
    max_tokens: ask.maxTokens,
    queue_ttl: ask.queueTtl,
  };
  return [
    ...wrongParameters(ask, modelConfig),
    ...wrongKind(ask, modelConfig),
    ...texts,
    ...excessesOf(numbers, config),
    ...(metadata !== undefined && Buffer.byteLength(metadata.text) > metadataMax
      ? [{ field: "/metadata", message: `may have at most ${metadataMax} bytes as JSON` }]
      : []),
    ...(deadline !== undefined && parseInstant(deadline) === undefined
      ? [
          {
            field: "/deadline",
            message: "must be RFC 3339 with a zone, such as 2026-11-21T12:00:00Z",
          },
        ]
      : []),
  ];
}

/**
 * Checks what the schema of a body cannot and fills in the defaults.
 *
 * @throws {Fault} BODY_INVALID naming all that is wrong, MODEL_UNKNOWN, PROMPT_TOO_LONG
 */
export function planRequest(ask: Ask, config: Config): Plan {
  const model = ask.model ?? config.default_model;
  const modelConfig = Object.hasOwn(config.models, model) ? config.models[model] : undefined;
  if (modelConfig === undefined) {
    throw new Fault("MODEL_UNKNOWN", `there are: ${Object.keys(config.models).join(", ")}`, {
      details: [{ field: "/model", message: "must be a configured model" }],
    });
  }
  const problems = problemsOf(ask, modelConfig, config);
  if (problems.length > 0) throw invalidFields(problems.slice(0, NAMED_MAX));
  const { gateway } = config;
  const content = contentOf(ask.input, ask.parameters);
  checkSize(content, gateway.prompt_bytes_max);
  const queueTtlSeconds = ask.queueTtl ?? gateway.queue_ttl_seconds_default;
  return {
    model,
    modelConfig,
    content,
    payload: {
      input: ask.input,
      // What embeds makes no tokens.
      maxTokens: "input" in ask.input ? 0 : (ask.maxTokens ?? modelConfig.output_tokens_default),
      n: ask.n ?? 1,
      parameters: ask.parameters,
      isStreamed: ask.isStreamed,
    },
    metadata: ask.metadata ?? null,
    queueTtlMs: queueTtlSeconds * 1_000,
    deadlineMs: (ask.deadline !== undefined && parseInstant(ask.deadline)) || null,
    priority: ask.priority ?? null,
  };
}

/**
 * The tokens to hold for a plan. Returns no promise when the counter returns none.
 *
 * @throws {Fault} PROMPT_TOO_LONG
 */
export function estimateOf(
  { model, modelConfig, content, payload }: Plan,
  countTokens: (text: string) => number | Promise<number>,
): number | Promise<number> {
  const { input, maxTokens, n } = payload;
  const estimate = (counts: readonly number[]): number => {
    const texts = counts.reduce((sum, count) => sum + count, 0);
    const tokens = promptTokens(content, texts, modelConfig.media_tokens);
    const max = modelConfig.prompt_tokens_max;
    if (tokens > max)
      throw new Fault(
        "PROMPT_TOO_LONG",
        `the prompt has ${tokens} tokens; the model ${model} takes at most ${max}`,
      );
    return estimateTokens(tokens, maxTokens, n * promptsOf(input));
  };
  const counts = content.texts.map((text) => countTokens(text));
  return counts.every((count) => typeof count === "number")
    ? estimate(counts)
    : Promise.all(counts.map((count) => Promise.resolve(count))).then(estimate);
}
