/** Lets everything that can go on without the clock go on. */
export const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

interface Timer {
  atMs: number;
  callback: () => void;
}

/** A clock that moves only when a test moves it. */
export interface FakeClock {
  now: () => number;
  schedule: (callback: () => void, ms: number) => () => void;
  /** Moves on, firing what is due on the way, in order. */
  advance: (ms: number) => Promise<void>;
  timerCount: () => number;
}

export function createFakeClock(startMs: number): FakeClock {
  let nowMs = startMs;
  const timers = new Set<Timer>();

  return {
    now: () => nowMs,
    schedule(callback, ms) {
      const timer = { atMs: nowMs + ms, callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        const due = [...timers].filter((timer) => timer.atMs <= untilMs);
        const next = due.sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined) break;
        timers.delete(next);
        nowMs = next.atMs;
        next.callback();
        await settled();
      }
      nowMs = untilMs;
      await settled();
    },
    timerCount: () => timers.size,
  };
}
