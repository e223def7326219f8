import type { Schedule } from "./schedule.ts";

export interface BatcherOptions<Item, Outcome> {
  /** Most items in one flush. */
  itemsMax: number;
  /** Size of an item, for example in bytes. Absent: only their number counts. */
  weightOf?: (item: Item) => number;
  /** Most weight in one flush; a single heavier item goes alone. */
  weightMax?: number;
  /**
   * How long the first item of a batch may wait for company, milliseconds; 0 flushes at the end of the tick.
   */
  waitMs: number;
  /** Most flushes under way at once; items above that wait in the queue. */
  flushesMax: number;
  /**
   * Most items waiting or under way, and the error that refuses those beyond. Absent: whoever adds items
   * bounds them.
   */
  bound?: { pendingMax: number; onFull: () => Error };
  /**
   * Handles a batch; returns one outcome per item, in order. If it throws, every item of the batch is
   * rejected.
   */
  flush: (items: Item[]) => Promise<Outcome[]>;
  /** Calls back after `ms`; returns a function that cancels it. */
  schedule: Schedule;
}

export interface Batcher<Item, Outcome> {
  /** Adds an item; settles with its outcome when its batch is done. */
  add: (item: Item) => Promise<Outcome>;
  /** Items waiting or under way. */
  pending: () => number;
}

interface Entry<Item, Outcome> {
  item: Item;
  weight: number;
  resolve: (outcome: Outcome) => void;
  reject: (error: unknown) => void;
}

/** Group commit: collects items that arrive close together and handles them by one call. */
export function createBatcher<Item, Outcome>(
  options: BatcherOptions<Item, Outcome>,
): Batcher<Item, Outcome> {
  let waiting: Entry<Item, Outcome>[] = [];
  let underWay = 0;
  let flushes = 0;
  let cancelTimer: (() => void) | undefined;
  const { bound } = options;
  const weightOf = options.weightOf ?? (() => 0);

  async function run(batch: Entry<Item, Outcome>[]): Promise<void> {
    try {
      const outcomes = await options.flush(batch.map((entry) => entry.item));
      batch.forEach((entry, index) => {
        const outcome = outcomes[index];
        if (index < outcomes.length) entry.resolve(outcome as Outcome);
        else
          entry.reject(new Error(`a flush of ${batch.length} items returned ${outcomes.length}`));
      });
    } catch (error) {
      for (const entry of batch) entry.reject(error);
    } finally {
      flushes -= 1;
      underWay -= batch.length;
      // What queued up while all flushes were busy has waited long enough.
      if (waiting.length > 0) flushNow();
    }
  }

  /** How many of those waiting fit into one flush; at least 1. */
  function nextBatchSize(): number {
    const most = Math.min(waiting.length, options.itemsMax);
    if (options.weightOf === undefined) return most;
    let weight = 0;
    for (let size = 0; size < most; size += 1) {
      const entry = waiting[size];
      weight += entry?.weight ?? 0;
      if (weight > (options.weightMax ?? Number.POSITIVE_INFINITY)) return Math.max(1, size);
    }
    return most;
  }

  function flushNow(): void {
    cancelTimer?.();
    cancelTimer = undefined;
    while (waiting.length > 0 && flushes < options.flushesMax) {
      const size = nextBatchSize();
      const batch = waiting.slice(0, size);
      waiting = waiting.slice(size);
      flushes += 1;
      underWay += batch.length;
      void run(batch);
    }
  }

  return {
    add: (item) =>
      new Promise<Outcome>((resolve, reject) => {
        if (bound !== undefined && waiting.length + underWay >= bound.pendingMax) {
          reject(bound.onFull());
          return;
        }
        const weight = weightOf(item);
        waiting.push({ item, weight, resolve, reject });
        if (waiting.length >= options.itemsMax) flushNow();
        else cancelTimer ??= options.schedule(flushNow, options.waitMs);
      }),
    pending: () => waiting.length + underWay,
  };
}
