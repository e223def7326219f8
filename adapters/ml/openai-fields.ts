import { type Static, type TSchema, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import { type InferencePayload, RESERVED_PARAMETERS } from "../../core/request/payload.ts";

/**
 * The fields that both OpenAI protocols share. What was estimated for the request wins over the caller's
 * parameters.
 */
export function sharedFields(
  { parameters, maxTokens, n }: InferencePayload,
  upstreamModel: string,
): Record<string, unknown> {
  const fields: Record<string, unknown> = { ...parameters };
  for (const name of RESERVED_PARAMETERS) delete fields[name];
  return { ...fields, model: upstreamModel, max_tokens: maxTokens, n, stream: false };
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
