import type { Log } from "../../runtime/log.ts";
import type { Database } from "./connect.ts";

/** The time that this process and PostgreSQL agree on, Unix milliseconds. */
export interface ServerClock {
  now: () => number;
  /** Compares the clocks; a step of either is noticed by the next call. @throws what `ping` throws */
  check: () => Promise<void>;
}

/**
 * Half a round trip is the error of a comparison; a longer one, such as that of a process that was frozen
 * meanwhile, says nothing.
 */
const ROUND_TRIP_MS_MAX = 1_000;
/**
 * Below this the machine's own clock is good enough, and does not jump with the noise of every comparison.
 */
const DIFFERENCE_MS_MIN = 1_000;

/**
 * Makes a clock that is this machine's or, where that is more than a second off, PostgreSQL's. A gateway
 * whose clock is minutes behind would otherwise be too late with every row, and one that is ahead would store
 * rows long after it refused them.
 */
export function createServerClock(
  { ping }: Pick<Database, "ping">,
  log: Log,
  machineNow: () => number = Date.now,
): ServerClock {
  let aheadMs = 0;
  let isAway = false;

  /** Says once why PostgreSQL cannot be used, and once that it can be again. */
  async function ask(): ReturnType<Database["ping"]> {
    try {
      const measured = await ping();
      if (isAway) log.info({}, "PostgreSQL can be used again");
      isAway = false;
      return measured;
    } catch (error) {
      if (!isAway) log.warn({ err: error }, "PostgreSQL cannot be used: calls are refused");
      isAway = true;
      throw error;
    }
  }

  return {
    now: () => machineNow() + aheadMs,
    check: async () => {
      const measured = await ask();
      if (measured.roundTripMs > ROUND_TRIP_MS_MAX) return;
      const isOff = Math.abs(measured.aheadMs) >= DIFFERENCE_MS_MIN;
      if (isOff && aheadMs === 0)
        log.warn(
          { ahead_ms: Math.round(measured.aheadMs) },
          "the clock of PostgreSQL is followed, because it differs from this machine's: see to NTP",
        );
      aheadMs = isOff ? Math.round(measured.aheadMs) : 0;
    },
  };
}
