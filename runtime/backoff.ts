/** How long to wait before what failed is tried again: doubling with each failure, up to a bound. */
export interface Backoff {
  /** The longest pause after the first failure, milliseconds. */
  firstMs: number;
  /** No pause is longer, milliseconds: what comes back is noticed within this. */
  longestMs: number;
  /**
   * The share of a pause that is left to chance, from 0 (none) to 1 (all of it), so that those which failed
   * together do not come back together.
   */
  jitter: number;
}

/** The pause after `failures` failures in a row (1-based), in whole milliseconds. `random` is in [0, 1). */
export function backoffMs(
  { firstMs, longestMs, jitter }: Backoff,
  failures: number,
  random: number,
): number {
  const whole = Math.min(longestMs, firstMs * 2 ** (failures - 1));
  return Math.round(whole * (1 - jitter * (1 - random)));
}
