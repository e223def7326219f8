import { type Static, type TSchema, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import type { UsageReport } from "../../core/attempt/usage.ts";
import { JsonText, writeMembers } from "../../core/json/json-text.ts";
import { type InferencePayload, RESERVED_PARAMETERS } from "../../core/request/payload.ts";
import type { MlCall } from "./protocol.ts";

const RESERVED: ReadonlySet<string> = new Set(RESERVED_PARAMETERS);

/**
 * A body of an OpenAI protocol: the parameters as the caller wrote them, and what was estimated for the
 * request, which wins over them.
 */
export function bodyOf(
  { parameters }: InferencePayload,
  fields: Readonly<Record<string, unknown>>,
): JsonText {
  const passed = [...parameters].filter(
    ([name]) => !RESERVED.has(name) && !Object.hasOwn(fields, name),
  );
  return new JsonText(writeMembers([...passed, ...Object.entries(fields)]));
}

/** What both protocols that generate share. */
export function generationFields({ payload, upstreamModel, fields, isStreamed }: MlCall) {
  const { maxTokens, n } = payload;
  return {
    model: upstreamModel,
    [fields.max_tokens]: maxTokens,
    n,
    stream: isStreamed,
    ...(isStreamed ? { stream_options: { include_usage: true } } : {}),
  };
}

/** The usage of a reply, member by member. */
export function usageIn(usage: unknown): UsageReport {
  return {
    promptTokens: memberOf(usage, "prompt_tokens"),
    completionTokens: memberOf(usage, "completion_tokens"),
    totalTokens: memberOf(usage, "total_tokens"),
    cachedTokens: memberOf(memberOf(usage, "prompt_tokens_details"), "cached_tokens"),
    reasoningTokens: memberOf(memberOf(usage, "completion_tokens_details"), "reasoning_tokens"),
  };
}

/** `usage` is read field by field later: a service that reports nonsense still gave a result. */
export const Usage = t.Optional(t.Unknown());
export const FinishReason = t.Optional(t.Union([t.String(), t.Null()]));

/** The value if it fits the schema, else null. */
export function fitting<Schema extends TSchema>(
  schema: Schema,
  value: unknown,
): Static<Schema> | null {
  return Value.Check(schema, value) ? value : null;
}

/** The member of an object of unknown shape. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
