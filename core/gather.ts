import type { Schedule } from "./schedule.ts";

/**
 * How long the one that comes now should wait for company, milliseconds: `waitMs`, or nothing if nobody came within the last `waitMs`,
 * for then nobody is likely to come in the next ones.
 */
export function createWaitForCompany(now: () => number, waitMs: number): () => number {
  let lastCameAtMs = Number.NEGATIVE_INFINITY;

  return () => {
    const cameAtMs = now();
    const isAlone = cameAtMs - lastCameAtMs > waitMs;
    lastCameAtMs = cameAtMs;
    return isAlone ? 0 : waitMs;
  };
}

/**
 * Lets those that come close to each other go on together, in one turn of the event loop: what they send to a server then leaves in one
 * write, and one wake-up of the server and one of this process serve them all. A wake-up costs more than most of what is done in it
 * (docs/performance.md). Undefined: go on at once.
 */
export type Gather = () => Promise<void> | undefined;

/** Who waits does so for `waitMs` at most; who comes alone does not. 0: nobody waits. */
export function createGather(schedule: Schedule, now: () => number, waitMs: number): Gather {
  const waitForCompany = createWaitForCompany(now, waitMs);
  let group: Promise<void> | undefined;

  return () => {
    const ms = waitForCompany();
    if (group !== undefined || ms === 0) return group;
    group = new Promise((resolve) => {
      schedule(() => {
        group = undefined;
        resolve();
      }, ms);
    });
    return group;
  };
}
