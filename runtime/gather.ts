import type { Schedule } from "./schedule.ts";

/** Fewer than so many are not worth waiting for: a caller may wait for the end of each. */
const COMPANY = 3;

/**
 * Returns how long the one that comes now should wait for company, milliseconds: `waitMs` if `COMPANY` came
 * within the last `waitMs`, for then as many are likely to come in the next ones; else nothing.
 */
export function createWaitForCompany(now: () => number, waitMs: number): () => number {
  const cameAtMs: number[] = Array<number>(COMPANY).fill(Number.NEGATIVE_INFINITY);
  let at = 0;

  return () => {
    const nowMs = now();
    const isBusy = nowMs - (cameAtMs[at] ?? 0) <= waitMs;
    cameAtMs[at] = nowMs;
    at = (at + 1) % COMPANY;
    return isBusy ? waitMs : 0;
  };
}

/**
 * Runs tasks so that those which come close to each other begin together, in one turn of the event loop: what
 * they send to a server then leaves in one write, and one wake-up of the server and one of this process serve
 * them all. A wake-up costs more than most of what is done in it (docs/performance.md).
 */
export type Gather = <Outcome>(task: () => Promise<Outcome>) => Promise<Outcome>;

export interface GatherOptions {
  schedule: Schedule;
  /** Milliseconds. */
  now: () => number;
  /** Nobody waits longer; 0: nobody waits. */
  waitMs: number;
  /**
   * At this size a group begins without waiting longer. Without this, what comes fast falls into step: all of
   * it waits for one server, then all of it for the next, while the others have nothing to do.
   */
  groupMax: number;
  /**
   * True, where somebody waits for the end: a task waits only while others are under way, so that a single
   * caller never waits. False: a task that comes soon after another waits; that makes the larger groups.
   */
  isEager: boolean;
}

interface Group {
  size: number;
  begun: Promise<void>;
  begin: () => void;
}

export function createGather(options: GatherOptions): Gather {
  const { schedule, waitMs, groupMax, isEager } = options;
  const waitForCompany = createWaitForCompany(options.now, waitMs);
  let underWay = 0;
  let group: Group | undefined;

  function nextWaitMs(): number {
    if (isEager) return underWay > 0 ? waitMs : 0;
    return waitForCompany();
  }

  function open(ms: number): Group {
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const cancel = schedule(begin, ms);
    const opened: Group = { size: 0, begun, begin };
    function begin(): void {
      cancel();
      group = undefined;
      underWay += opened.size;
      resolve();
    }
    return opened;
  }

  function join(ms: number): Promise<void> {
    group ??= open(ms);
    const { begun, begin } = group;
    group.size += 1;
    if (group.size >= groupMax) begin();
    return begun;
  }

  return async (task) => {
    const ms = nextWaitMs();
    if (group === undefined && ms === 0) underWay += 1;
    else await join(ms);
    try {
      return await task();
    } finally {
      underWay -= 1;
      if (isEager && underWay === 0) group?.begin();
    }
  };
}
