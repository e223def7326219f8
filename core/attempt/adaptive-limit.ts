/**
 * The adaptive concurrency limit of one model, as a value: additive increase, multiplicative decrease, as TCP
 * does it (RFC 5681, section 3.1). Attempts under way must stay below `allowedOf`.
 */
export interface AdaptiveLimit {
  /** A real number, so that the increase of 1 per round of successes can accumulate. */
  limit: number;
  /** When it was last lowered, Unix milliseconds; 0: never. */
  loweredAtMs: number;
}

export interface LimitBounds {
  min: number;
  max: number;
}

/** Gentler than TCP's half, as CUBIC (RFC 9438): a 429 costs an attempt, an idle slot of a GPU costs more. */
const DECREASE_FACTOR = 0.7;

/** Starts at the top: the configured limit is what the operator believes the service can take. */
export function initialLimit(bounds: LimitBounds): AdaptiveLimit {
  return { limit: bounds.max, loweredAtMs: 0 };
}

/**
 * How many attempts may be under way at once: a whole number within the bounds, which may have changed since.
 */
export function allowedOf(state: AdaptiveLimit, bounds: LimitBounds): number {
  return Math.max(1, Math.min(bounds.max, Math.max(bounds.min, Math.floor(state.limit))));
}

/**
 * After a success: grows by 1 per round of successes, but only when the limit was in use. An idle limit that
 * grew would say nothing about what the service can take.
 */
export function raised(state: AdaptiveLimit, underWay: number, bounds: LimitBounds): AdaptiveLimit {
  const allowed = allowedOf(state, bounds);
  if (underWay < allowed || state.limit >= bounds.max) return state;
  return { ...state, limit: Math.min(bounds.max, Math.max(state.limit, allowed) + 1 / allowed) };
}

/**
 * After a timeout or a 429: shrinks once per round. Attempts that started before the last decrease ran under
 * the old limit, and counting each of them would drive the limit to its minimum on one burst.
 */
export function lowered(
  state: AdaptiveLimit,
  startedAtMs: number,
  nowMs: number,
  bounds: LimitBounds,
): AdaptiveLimit {
  if (startedAtMs < state.loweredAtMs) return state;
  const from = Math.min(state.limit, bounds.max);
  return { limit: Math.max(bounds.min, from * DECREASE_FACTOR), loweredAtMs: nowMs };
}
