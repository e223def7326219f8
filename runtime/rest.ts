import { pause, type Schedule } from "./schedule.ts";

/** Keeps long work in the background out of everybody's way. */
export interface Rest {
  /** How long to rest for the work since the last rest, milliseconds. */
  dueMs: () => number;
  /** Rests so long, or until the signal aborts. */
  take: () => Promise<void>;
}

/** Nine times as long as was worked: a tenth of the time is work. */
const REST_PER_WORK = 9;

/** How long to rest for work that took `workedMs`, milliseconds. */
export function restAfterMs(workedMs: number): number {
  return REST_PER_WORK * workedMs;
}

/** Work begins now. `now` in milliseconds. */
export function createRest(
  { now, schedule }: { now: () => number; schedule: Schedule },
  signal: AbortSignal,
): Rest {
  let workingSinceMs = now();
  const dueMs = (): number => restAfterMs(now() - workingSinceMs);
  return {
    dueMs,
    take: async () => {
      const ms = dueMs();
      if (ms > 0) await pause(schedule, ms, signal);
      workingSinceMs = now();
    },
  };
}
