import type { GatewayPorts } from "../../../gateway/ports.ts";

export interface FakeClock {
  now: () => number;
  schedule: GatewayPorts["schedule"];
  /** Lets time pass: runs what falls due, in order, and everything that follows from it. */
  advance: (ms: number) => Promise<void>;
}

export function createFakeClock(startMs: number): FakeClock {
  let nowMs = startMs;
  const timers: { atMs: number; callback: () => void }[] = [];
  return {
    now: () => nowMs,
    schedule: (callback, ms) => {
      if (ms === 0) {
        queueMicrotask(callback);
        return () => {};
      }
      const timer = { atMs: nowMs + ms, callback };
      timers.push(timer);
      return () => void (timers.includes(timer) && timers.splice(timers.indexOf(timer), 1));
    },
    advance: async (ms) => {
      const untilMs = nowMs + ms;
      for (;;) {
        timers.sort((a, b) => a.atMs - b.atMs);
        const next = timers[0];
        if (next === undefined || next.atMs > untilMs) break;
        timers.shift();
        nowMs = next.atMs;
        next.callback();
        await settleMicrotasks();
      }
      nowMs = untilMs;
    },
  };
}

/** Long enough for any chain of promises that waits for nothing outside. */
export async function settleMicrotasks(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}
