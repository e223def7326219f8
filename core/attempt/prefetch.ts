/** How long the turns of one model take, as moving averages, milliseconds. */
export interface TurnTimes {
  /** While a turn has its place at the model. */
  callMs: number;
  /** From the end of the call until the delivery is acked. */
  concludeMs: number;
}

/** The share of the last turn in the averages: a change is followed within some tens of turns. */
const LAST_TURN_SHARE = 0.05;
/** Acks are gathered for 5 ms, and the next delivery is a round trip away. */
const REFILL_MS = 8;
/** Below this share of the call a few more deliveries are not worth being owned and not run. */
const ASIDE_MIN = 0.1;
/** The most that a model may own, in its limit. */
const LIMITS_MAX = 4;
/** A delivery may wait so long for its turn in a worker that should not own it any more. */
const SOON_MS = 250;
/** Changing the prefetch ends a subscription and begins another. */
const RESIZED_MIN = 0.25;

/** The averages after one more turn; null: there was none before. */
export function afterTurn(times: TurnTimes | null, turn: TurnTimes): TurnTimes {
  if (times === null) return turn;
  return {
    callMs: times.callMs + LAST_TURN_SHARE * (turn.callMs - times.callMs),
    concludeMs: times.concludeMs + LAST_TURN_SHARE * (turn.concludeMs - times.concludeMs),
  };
}

/**
 * How many deliveries of a model a worker should own that may run `limit` at once: as many, and those whose
 * call is over while others are called in their place. So a slow model owns no more than it may run, and a
 * fast one is not throttled (Little's law).
 */
export function prefetchOf(limit: number, times: TurnTimes | null): number {
  if (times === null) return limit;
  const aside = (times.concludeMs + REFILL_MS) / Math.max(1, times.callMs);
  if (aside < ASIDE_MIN) return limit;
  return Math.min(Math.ceil(limit * (1 + aside)), limit * LIMITS_MAX);
}

/**
 * How many deliveries of a model may wait in a worker that owns up to `prefetch` and may run `limit` at once:
 * those that the prefetch allows, or those whose turn comes in a moment. What a model that was fast brought
 * here would else wait here for seconds when it has become slow, out of reach of every order.
 */
export function waitingMaxOf(limit: number, prefetch: number, times: TurnTimes | null): number {
  const soon = times === null ? 0 : (limit * SOON_MS) / Math.max(1, times.callMs);
  return Math.max(prefetch - limit, Math.floor(soon));
}

/** Whether a prefetch of `present` should become `wanted`. */
export function isWorthResizing(present: number, wanted: number): boolean {
  return Math.abs(wanted - present) > present * RESIZED_MIN;
}
