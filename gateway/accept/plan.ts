import type { Config, ModelConfig } from "../../core/config/schema.ts";
import { estimateTokens, promptTokens } from "../../core/request/estimate.ts";
import { Fault, invalidField } from "../../core/faults.ts";
import type { JsonText } from "../../core/json/json-text.ts";
import type { Priority } from "../../core/queue/fair-order.ts";
import type { Ask } from "../../core/request/ask.ts";
import { type Content, contentOf, promptsOf } from "../../core/request/content.ts";
import { parseInstant } from "../../core/request/instant.ts";
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

/** How many refused parameters a reply names. */
const REFUSED_NAMES_MAX = 100;

function checkText(text: string, field: string): void {
  if (text.includes("\0")) throw invalidField(field, "must not contain the NUL character");
  if (!text.isWellFormed())
    throw invalidField(field, "must be valid Unicode, without lone surrogates");
}

/** Checks every text in a value, names of members included. The depth of a body is bounded. */
function checkTexts(value: unknown, field: string): void {
  if (typeof value === "string") return checkText(value, field);
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    checkText(name, field);
    checkTexts(member, `${field}/${name}`);
  }
}

/** @throws {Fault} BODY_INVALID, PROMPT_TOO_LONG */
function checkContent({ input, parameters }: Ask, content: Content, bytesMax: number): void {
  for (const [name, text] of [...Object.entries<JsonText>(input), ...parameters])
    checkTexts(text.parse(), `/${name}`);
  const bytes = content.texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes > bytesMax)
    throw new Fault(
      "PROMPT_TOO_LONG",
      `the prompt has ${bytes} bytes; at most ${bytesMax} are taken`,
    );
}

function metadataOf({ metadata }: Ask, bytesMax: number): JsonText | null {
  if (metadata === undefined) return null;
  if (Buffer.byteLength(metadata.text) > bytesMax)
    throw invalidField("/metadata", `may have at most ${bytesMax} bytes as JSON`);
  return metadata;
}

/** @throws {Fault} BODY_INVALID naming every parameter that the model does not allow */
function checkParameters({ parameters, door }: Ask, { allowed_parameters: allowed }: ModelConfig) {
  if (allowed.includes("*")) return;
  const refused = [...parameters.keys()].filter((name) => !allowed.includes(name));
  if (refused.length === 0) return;
  throw new Fault("BODY_INVALID", "the model does not allow a parameter; `errors` names it", {
    details: refused.slice(0, REFUSED_NAMES_MAX).map((name) => ({
      field: `${door === "native" ? "/parameters" : ""}/${name}`,
      message: "is not allowed for this model",
    })),
  });
}

/** Returns `value` if it is at most `max`; otherwise the fault names the field and what is allowed. */
function bounded(value: number, max: number, field: string): number {
  if (value > max) throw invalidField(field, `must be at most ${max}`);
  return value;
}

/**
 * Checks what the schema of a body cannot and fills in the defaults.
 *
 * @throws {Fault} BODY_INVALID, MODEL_UNKNOWN, PROMPT_TOO_LONG
 */
export function planRequest(ask: Ask, config: Config): Plan {
  const model = ask.model ?? config.default_model;
  const modelConfig = Object.hasOwn(config.models, model) ? config.models[model] : undefined;
  if (modelConfig === undefined) {
    throw new Fault("MODEL_UNKNOWN", `there are: ${Object.keys(config.models).join(", ")}`, {
      details: [{ field: "/model", message: "must be a configured model" }],
    });
  }
  const { gateway } = config;
  const reserved = RESERVED_PARAMETERS.find((name) => ask.parameters.has(name));
  if (reserved !== undefined)
    throw invalidField(
      `/parameters/${reserved}`,
      "is not a sampling parameter; use the fields of the body",
    );
  checkParameters(ask, modelConfig);
  checkKind(ask, modelConfig);
  const content = contentOf(ask.input, ask.parameters);
  checkContent(ask, content, gateway.prompt_bytes_max);
  return {
    model,
    modelConfig,
    content,
    payload: {
      input: ask.input,
      maxTokens: maxTokensOf(ask, modelConfig),
      n: bounded(ask.n ?? 1, gateway.n_max, "/n"),
      parameters: ask.parameters,
      isStreamed: ask.isStreamed,
    },
    metadata: metadataOf(ask, gateway.metadata_bytes_max),
    queueTtlMs:
      bounded(
        ask.queueTtl ?? gateway.queue_ttl_seconds_default,
        gateway.queue_ttl_seconds_max,
        "/queue_ttl",
      ) * 1_000,
    deadlineMs: ask.deadline === undefined ? null : instantOf(ask.deadline, "/deadline"),
    priority: ask.priority ?? null,
  };
}

/** What no ML service of this protocol could be asked. @throws {Fault} BODY_INVALID */
function checkKind({ input }: Ask, { protocol }: ModelConfig): void {
  const embeds = protocol === "openai-embeddings";
  if ("input" in input !== embeds)
    throw invalidField("/model", embeds ? "embeds: ask it at /v1/embeddings" : "does not embed");
  if ("prompt" in input && protocol !== "openai-completions" && Array.isArray(input.prompt.parse()))
    throw invalidField(
      "/prompt",
      "must be one text: only a model of completions takes several, or tokens",
    );
}

/** What embeds makes no tokens. */
function maxTokensOf({ input, maxTokens }: Ask, config: ModelConfig): number {
  if ("input" in input) return 0;
  return bounded(
    maxTokens ?? config.output_tokens_default,
    config.output_tokens_max,
    "/max_tokens",
  );
}

function instantOf(text: string, field: string): number {
  const ms = parseInstant(text);
  if (ms === undefined)
    throw invalidField(field, "must be RFC 3339 with a zone, such as 2026-11-21T12:00:00Z");
  return ms;
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
