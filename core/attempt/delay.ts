/** Where a message waits before it is delivered again. */
export interface Delay {
  /** The delay queue, named by the longest delay it gives, milliseconds. */
  stepMs: number;
  /** How long this message waits in it: at most `stepMs`. */
  expirationMs: number;
}

/** Spreads a wait over [half, whole] of a step, so that what failed together does not come back together. */
function jitter(stepMs: number, random: number): number {
  return Math.round(stepMs * (0.5 + random / 2));
}

/**
 * The delay before retry number `retry` (1-based): the steps in order, the last one repeats. A `Retry-After`
 * moves it on to the first step at least that long, or to the last step when none is. `random` is in [0, 1).
 *
 * With steps 1 s, 5 s, 25 s: retry 1 waits 0.5–1 s, retry 2 2.5–5 s, retry 3 and later 12.5–25 s.
 *
 * @throws {RangeError} when there is no step
 */
export function retryDelay(
  stepsMs: readonly number[],
  retry: number,
  retryAfterMs: number | null,
  random: number,
): Delay {
  const lastIndex = stepsMs.length - 1;
  const scheduled = Math.min(Math.max(retry, 1) - 1, lastIndex);
  const enough = stepsMs.findIndex((step) => step >= (retryAfterMs ?? 0));
  const index = Math.max(scheduled, enough === -1 ? lastIndex : enough);
  const stepMs = stepsMs[index];
  if (stepMs === undefined) throw new RangeError("a retry needs at least one delay step");
  return {
    stepMs,
    expirationMs: Math.max(jitter(stepMs, random), Math.min(retryAfterMs ?? 0, stepMs)),
  };
}
