import type { Schedule } from "../../runtime/schedule.ts";

/** The clock of every test with nothing listening: time passes only when the test says so. */
export interface FakeClock {
  /** Unix milliseconds. */
  now: () => number;
  /** 0 ms means the end of this turn of the event loop, as with the real one, and needs no `advance`. */
  schedule: Schedule;
  /** Lets `ms` pass: what falls due runs in order, each time with everything that it sets in motion. */
  advance: (ms: number) => Promise<void>;
  /** Callbacks that still wait; 0 when nothing was left behind. */
  timerCount: () => number;
}

/** More ends of a turn than any chain of promises and callbacks of 0 ms waits for, one after the other. */
const TURNS = 10;

/** Lets everything go on that can go on without the clock. */
export async function untilIdle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1)
    await new Promise((resolve) => void setImmediate(resolve));
}

/** A clock that shows `startMs`, Unix milliseconds, until a test moves it. */
export function createFakeClock(startMs: number): FakeClock {
  let nowMs = startMs;
  const timers = new Set<{ atMs: number; callback: () => void }>();

  function nextDue(untilMs: number) {
    const due = [...timers].filter(({ atMs }) => atMs <= untilMs);
    return due.toSorted((a, b) => a.atMs - b.atMs)[0];
  }

  return {
    now: () => nowMs,
    schedule: (callback, ms) => {
      const timer = { atMs: nowMs + ms, callback };
      timers.add(timer);
      if (ms <= 0) setImmediate(() => timers.delete(timer) && callback());
      return () => void timers.delete(timer);
    },
    advance: async (ms) => {
      const untilMs = nowMs + ms;
      await untilIdle();
      for (let timer = nextDue(untilMs); timer !== undefined; timer = nextDue(untilMs)) {
        timers.delete(timer);
        nowMs = Math.max(nowMs, timer.atMs);
        timer.callback();
        await untilIdle();
      }
      nowMs = untilMs;
    },
    timerCount: () => timers.size,
  };
}
