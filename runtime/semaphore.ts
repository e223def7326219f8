export interface SemaphoreOptions {
  /** Most tasks that run at once. */
  max: number;
  /** Most tasks that wait for their turn; more are refused by `onFull`. */
  waitingMax: number;
  /** Makes the error for a task that finds too many waiting. */
  onFull: () => Error;
}

/** Runs a task in its turn. @throws what `onFull` makes, and what the task throws */
export type Semaphore = <Result>(task: () => Promise<Result>) => Promise<Result>;

/** Bounds how many tasks run at once; the others wait in the order they came. */
export function createSemaphore({ max, waitingMax, onFull }: SemaphoreOptions): Semaphore {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (task) => {
    if (running < max) running += 1;
    else if (waiting.length >= waitingMax) throw onFull();
    // Woken by a task that ended, which leaves its place to this one.
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
