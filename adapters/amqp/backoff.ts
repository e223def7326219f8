const FIRST_MS = 100;
const MAX_MS = 5_000;

/**
 * Delay before reopening what was lost, `attempt` 0-based: doubling from 100 ms to 5 s, the upper half at random so that processes
 * which lost the same broker do not come back at once. `random` is in [0, 1).
 */
export function reopenDelayMs(attempt: number, random: number): number {
  const longest = Math.min(MAX_MS, FIRST_MS * 2 ** attempt);
  return longest / 2 + (longest / 2) * random;
}
