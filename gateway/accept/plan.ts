import type { Config, ModelConfig } from "../../core/config/schema.ts";
import { chatTokens } from "../../core/request/estimate.ts";
import { Fault, invalidField } from "../../core/faults.ts";
import type { Priority } from "../../core/queue/fair-order.ts";
import type { GenerateBody } from "../../core/request/generate-body.ts";
import { parseInstant } from "../../core/request/instant.ts";
import { type InferencePayload, RESERVED_PARAMETERS } from "../../core/request/payload.ts";

/** What a body asks for, with the configuration's defaults filled in and its bounds checked. */
export interface Plan {
  model: string;
  modelConfig: ModelConfig;
  payload: InferencePayload;
  metadata: Record<string, unknown> | null;
  queueTtlMs: number;
  /** null: the caller gave none. Whether these two are allowed, `planTurn` says. */
  deadlineMs: number | null;
  priority: Priority | null;
}

function checkText(text: string, field: string): void {
  if (text.includes("\0")) throw invalidField(field, "must not contain the NUL character");
  if (!text.isWellFormed())
    throw invalidField(field, "must be valid Unicode, without lone surrogates");
}

function inputOf(body: GenerateBody, bytesMax: number): InferencePayload["input"] {
  if (body.prompt !== undefined && body.messages !== undefined)
    throw invalidField("/messages", "give `prompt` or `messages`, not both");
  if (body.prompt === undefined && body.messages === undefined)
    throw invalidField("/prompt", "give `prompt` or `messages`");
  const texts =
    body.prompt === undefined
      ? (body.messages ?? []).map((message) => message.content)
      : [body.prompt];
  let bytes = 0;
  texts.forEach((text, index) => {
    checkText(text, body.prompt === undefined ? `/messages/${index}/content` : "/prompt");
    bytes += Buffer.byteLength(text);
  });
  if (bytes > bytesMax)
    throw new Fault(
      "PROMPT_TOO_LONG",
      `the prompt has ${bytes} bytes; at most ${bytesMax} are taken`,
    );
  return body.prompt === undefined ? { messages: body.messages ?? [] } : { prompt: body.prompt };
}

function metadataOf(body: GenerateBody, bytesMax: number): Record<string, unknown> | null {
  if (body.metadata === undefined) return null;
  if (Buffer.byteLength(JSON.stringify(body.metadata)) > bytesMax)
    throw invalidField("/metadata", `may have at most ${bytesMax} bytes as JSON`);
  return body.metadata;
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
export function planRequest(body: GenerateBody, config: Config): Plan {
  const model = body.model ?? config.default_model;
  const modelConfig = Object.hasOwn(config.models, model) ? config.models[model] : undefined;
  if (modelConfig === undefined) {
    throw new Fault(
      "MODEL_UNKNOWN",
      `there is no such model; there are: ${Object.keys(config.models).join(", ")}`,
      {
        details: [{ field: "/model", message: "must be a configured model" }],
      },
    );
  }
  const { gateway } = config;
  const reserved = RESERVED_PARAMETERS.find((name) => Object.hasOwn(body.parameters ?? {}, name));
  if (reserved !== undefined)
    throw invalidField(
      `/parameters/${reserved}`,
      "is not a sampling parameter; use the fields of the body",
    );
  for (const [name, value] of Object.entries(body.parameters ?? {})) {
    for (const text of [name, ...[value].flat()])
      if (typeof text === "string") checkText(text, `/parameters/${name}`);
  }
  return {
    model,
    modelConfig,
    payload: {
      input: inputOf(body, gateway.prompt_bytes_max),
      maxTokens: bounded(
        body.max_tokens ?? modelConfig.output_tokens_default,
        modelConfig.output_tokens_max,
        "/max_tokens",
      ),
      n: bounded(body.n ?? 1, gateway.n_max, "/n"),
      parameters: body.parameters ?? {},
    },
    metadata: metadataOf(body, gateway.metadata_bytes_max),
    queueTtlMs:
      bounded(
        body.queue_ttl ?? gateway.queue_ttl_seconds_default,
        gateway.queue_ttl_seconds_max,
        "/queue_ttl",
      ) * 1_000,
    deadlineMs: body.deadline === undefined ? null : instantOf(body.deadline, "/deadline"),
    priority: body.priority ?? null,
  };
}

function instantOf(text: string, field: string): number {
  const ms = parseInstant(text);
  if (ms === undefined)
    throw invalidField(field, "must be RFC 3339 with a zone, such as 2026-11-21T12:00:00Z");
  return ms;
}

/**
 * Counts the prompt of a plan. Returns no promise when the counter returns none.
 *
 * @throws {Fault} PROMPT_TOO_LONG
 */
export function countPrompt(
  plan: Plan,
  countTokens: (text: string) => number | Promise<number>,
): number | Promise<number> {
  const { input } = plan.payload;
  const check = (tokens: number): number => {
    const max = plan.modelConfig.prompt_tokens_max;
    if (tokens > max)
      throw new Fault(
        "PROMPT_TOO_LONG",
        `the prompt has ${tokens} tokens; the model ${plan.model} takes at most ${max}`,
      );
    return tokens;
  };
  if ("prompt" in input) {
    const counted = countTokens(input.prompt);
    return typeof counted === "number" ? check(counted) : counted.then(check);
  }
  const counts = input.messages.map((message) => countTokens(message.content));
  const add = (parts: number[]): number =>
    check(
      chatTokens(
        input.messages,
        parts.reduce((sum, part) => sum + part, 0),
      ),
    );
  return counts.every((part) => typeof part === "number")
    ? add(counts)
    : Promise.all(counts.map((part) => Promise.resolve(part))).then(add);
}
