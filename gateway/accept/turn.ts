import type { Config } from "../../core/config/schema.ts";
import { invalidField } from "../../core/faults.ts";
import { PRIORITIES, type Priority } from "../../core/queue/fair-order.ts";
import { tierOf } from "../../core/quota/limits.ts";
import type { Plan } from "./plan.ts";

/** When a request has its turn. */
export interface Turning {
  priority: Priority;
  /** Not started by then, it is `expired`, Unix milliseconds. */
  expiresAtMs: number;
}

type TurnConfig = Pick<Config, "tiers" | "default_tier" | "gateway">;

/**
 * The turn that a plan asks for, for a request made at `createdAtMs` by a user of `tier`. Depends on the
 * time and on the tier: ask only for what is no replay, for a replay is right whatever has changed since.
 *
 * @throws {Fault} BODY_INVALID: the class is above what the tier allows, the deadline has passed or is too
 *   far away
 */
export function planTurn(
  { priority, deadlineMs, queueTtlMs }: Pick<Plan, "priority" | "deadlineMs" | "queueTtlMs">,
  tier: string | null,
  createdAtMs: number,
  config: TurnConfig,
): Turning {
  return {
    priority: allowedPriority(priority, tier, config),
    expiresAtMs: Math.min(
      createdAtMs + queueTtlMs,
      allowedDeadline(deadlineMs, createdAtMs, config.gateway.queue_ttl_seconds_max),
    ),
  };
}

/** Who names none gets `normal`, or the most that the tier allows where that is less. */
function allowedPriority(
  asked: Priority | null,
  tier: string | null,
  { tiers, default_tier: defaultTier }: TurnConfig,
): Priority {
  const { priority_max: max } = tierOf(tier, tiers, defaultTier);
  if (asked === null) return max === "low" ? "low" : "normal";
  const allowed = PRIORITIES.slice(PRIORITIES.indexOf(max));
  if (!allowed.includes(asked))
    throw invalidField(
      "/priority",
      `must be one of ${allowed.toReversed().join(", ")}: your tier allows no more`,
    );
  return asked;
}

/** Infinity: none was asked for. */
function allowedDeadline(deadlineMs: number | null, nowMs: number, secondsMax: number): number {
  if (deadlineMs === null) return Number.POSITIVE_INFINITY;
  if (deadlineMs <= nowMs)
    throw invalidField(
      "/deadline",
      `must be in the future; here it is ${new Date(nowMs).toISOString()}`,
    );
  if (deadlineMs > nowMs + secondsMax * 1_000)
    throw invalidField("/deadline", `must be at most ${secondsMax} seconds from now`);
  return deadlineMs;
}
