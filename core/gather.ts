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

export interface GatherOptions {
  schedule: Schedule;
  /** Milliseconds. */
  now: () => number;
  /** Who waits does so for this long at most; who comes alone does not wait. 0: nobody waits. */
  waitMs: number;
  /**
   * So many go on at once. Without this, what comes fast falls into step: all of it waits for one server, then all of it for the next,
   * while the others have nothing to do.
   */
  groupMax: number;
}

export function createGather({ schedule, now, waitMs, groupMax }: GatherOptions): Gather {
  const waitForCompany = createWaitForCompany(now, waitMs);
  let group: { size: number; gone: Promise<void>; go: () => void } | undefined;

  function open(ms: number): NonNullable<typeof group> {
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const callOff = schedule(go, ms);
    function go(): void {
      callOff();
      group = undefined;
      resolve();
    }
    return { size: 0, gone, go };
  }

  return () => {
    const ms = waitForCompany();
    if (group === undefined && ms === 0) return undefined;
    group ??= open(ms);
    const { gone, go } = group;
    group.size += 1;
    if (group.size >= groupMax) go();
    return gone;
  };
}
