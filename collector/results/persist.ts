import { type Backoff, backoffMs } from "../../runtime/backoff.ts";
import { pause } from "../../runtime/schedule.ts";
import type { CollectorPorts } from "../ports.ts";

const RETRY_BACKOFF: Backoff = { firstMs: 50, longestMs: 5_000, jitter: 0.5 };

/**
 * Repeats `action` until it succeeds, with growing pauses.
 * @throws the last error of `action` when the signal has aborted, so that a caller who stops never takes a
 * failure for done
 */
export async function persist<Value>(
  { schedule, random, log }: Pick<CollectorPorts, "schedule" | "random" | "log">,
  step: string,
  action: () => Promise<Value>,
  signal: AbortSignal,
): Promise<Value> {
  for (let failures = 1; ; failures += 1) {
    try {
      const value = await action();
      if (failures > 1) log.info({ step, failures: failures - 1 }, "a step succeeded again");
      return value;
    } catch (error) {
      if (signal.aborted) throw error;
      // A store that stays away would fill the log; the pauses grow, so this is a line every few seconds at
      // most.
      log.warn({ step, failures, err: error }, "a step failed and is tried again");
    }
    await pause(schedule, backoffMs(RETRY_BACKOFF, failures, random()), signal);
  }
}
