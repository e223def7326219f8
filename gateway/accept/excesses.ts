import type { Config } from "../../core/config/schema.ts";
import type { FaultDetail } from "../../core/faults.ts";

/**
 * Which numbers of a body are above what the configuration allows. It looks at numbers only, so that a body
 * that does not fit its schema may be given: all that is wrong can be said at once.
 */
export function excessesOf(body: unknown, config: Config): FaultDetail[] {
  if (typeof body !== "object" || body === null) return [];
  const { n, model, ...given } = body as Record<string, unknown>;
  const { gateway, models, default_model: defaultModel } = config;
  const name = model ?? defaultModel;
  const modelConfig =
    typeof name === "string" && Object.hasOwn(models, name) ? models[name] : undefined;
  return [
    ...["max_tokens", "max_completion_tokens"].flatMap((field) =>
      above(given[field], modelConfig?.output_tokens_max, `/${field}`),
    ),
    ...above(n, gateway.n_max, "/n"),
    ...above(given["queue_ttl"], gateway.queue_ttl_seconds_max, "/queue_ttl"),
  ];
}

/** The same of its model: alone it is a fault of its own, MODEL_UNKNOWN. */
export function unknownModelOf(body: unknown, { models }: Config): FaultDetail[] {
  const { model } = (body ?? {}) as { model?: unknown };
  const isUnknown = typeof model === "string" && model !== "" && !Object.hasOwn(models, model);
  return isUnknown ? [{ field: "/model", message: "must be a configured model" }] : [];
}

const above = (value: unknown, max: number | undefined, field: string): FaultDetail[] =>
  typeof value === "number" && max !== undefined && value > max
    ? [{ field, message: `must be at most ${max}` }]
    : [];
