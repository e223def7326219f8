import { type Static, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import { FAULT_KINDS } from "./faults.ts";

const ms = (fallback: number, description: string) =>
  t.Number({ minimum: 0, maximum: 3_600_000, default: fallback, description });
const count = (fallback: number, minimum: number, description: string) =>
  t.Integer({ minimum, maximum: 1_000_000, default: fallback, description });

/** What the simulator pretends to be. Flags and environment variables have the same names, see `--help`. */
export const SettingsSchema = t.Object(
  {
    ttft_ms: ms(0, "Time to the first token."),
    token_ms: ms(0, "Time per output token of a choice."),
    slots: count(0, 0, "Calls worked on at once; 0: no limit."),
    queue_max: count(256, 0, "Calls waiting for a slot; more get 429."),
    retry_after_seconds: count(
      1,
      0,
      "Retry-After of such a 429, and of one that fault_rates draw.",
    ),
    output_tokens_min: count(16, 1, "Shortest output that a prompt leads to."),
    output_tokens_max: count(128, 1, "Longest output that a prompt leads to."),
    seed: count(1, 0, "Start of the random numbers that fault_rates go by."),
    fault_rates: t.Partial(
      t.Record(
        t.Union(FAULT_KINDS.map((kind) => t.Literal(kind))),
        t.Number({ minimum: 0, maximum: 1 }),
      ),
      {
        additionalProperties: false,
        default: {},
        description: "Share of calls with a fault, by kind.",
      },
    ),
  },
  { additionalProperties: false },
);

export type Settings = Static<typeof SettingsSchema>;

/** Settings that cannot be used: in one line. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

/**
 * `base` with some of its fields changed.
 *
 * @throws {SettingsError} naming every field that is wrong
 */
export function changeSettings(base: Partial<Settings>, change: unknown): Settings {
  if (typeof change !== "object" || change === null) {
    throw new SettingsError("the settings must be an object");
  }
  const settings: unknown = Value.Default(SettingsSchema, { ...base, ...change });
  const problems = new Map<string, string>();
  for (const { path, message } of Value.Errors(SettingsSchema, settings)) {
    const field = path.slice(1);
    if (!problems.has(field)) problems.set(field, message);
  }
  if (problems.size > 0) {
    throw new SettingsError([...problems].map((problem) => problem.join(": ")).join("; "));
  }
  return settings as Settings;
}
