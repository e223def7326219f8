import { pause } from "../../runtime/schedule.ts";
import type { Process } from "../ports.ts";

/** Keeps long work in the background out of everybody's way. */
export interface Rest {
  /** How long to rest for the work since the last rest, milliseconds. */
  dueMs: () => number;
  /** Rests so long, or until the signal aborts. */
  take: () => Promise<void>;
}

/** Nine times as long as was worked: a tenth of the time is work. */
const REST_PER_WORK = 9;

/** Work begins now. */
export function createRest(
  { now, schedule }: Pick<Process, "now" | "schedule">,
  signal: AbortSignal,
): Rest {
  let workingSinceMs = now();
  const dueMs = (): number => REST_PER_WORK * (now() - workingSinceMs);
  return {
    dueMs,
    take: async () => {
      const ms = dueMs();
      if (ms > 0) await pause(schedule, ms, signal);
      workingSinceMs = now();
    },
  };
}
