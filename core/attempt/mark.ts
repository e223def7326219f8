import type { Config, ModelConfig } from "../config/schema.ts";
import type { StartedHint } from "./start.ts";

/**
 * What the marks of workers say of a queued request. `none`: no attempt has begun. `under_way`: one has begun
 * and may still run. `overdue`: one began longer ago than any attempt may take. `between`: one has ended, and
 * the next one waits.
 */
export type AttemptMark = "none" | "under_way" | "overdue" | "between";

/** What is known of the attempts of a request. */
export interface AttemptsKnown {
  /** undefined: no attempt is under way. */
  started: Pick<StartedHint, "startedAtMs"> | undefined;
  /** Attempts that have ended. */
  attemptsMade: number;
}

/** Says what to make of the marks; `attemptMaxMs` is that of `longestAttemptMs`. */
export function judgeMark(
  { started, attemptsMade }: AttemptsKnown,
  attemptMaxMs: number,
  nowMs: number,
): AttemptMark {
  if (started === undefined) return attemptsMade === 0 ? "none" : "between";
  return nowMs - started.startedAtMs > attemptMaxMs ? "overdue" : "under_way";
}

/**
 * From a worker's mark to the confirm of its result, as long as the broker confirms, milliseconds: no attempt
 * takes longer.
 */
export function longestAttemptMs({
  models,
  amqp,
}: {
  models: Record<string, Pick<ModelConfig, "timeout_ms">>;
  amqp: Pick<Config["amqp"], "confirm_timeout_ms">;
}): number {
  const timeoutsMs = Object.values(models).map((model) => model.timeout_ms);
  return Math.max(...timeoutsMs) + 2 * amqp.confirm_timeout_ms;
}
