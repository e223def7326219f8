/** The places where calls are worked on, behind a queue of bounded length. Limits may change at any time. */
export interface Slots {
  /** Takes a place, at once or when one is free; null: the queue is full. Rejects when the signal aborts. */
  take: (signal: AbortSignal) => Promise<void> | null;
  free: () => void;
  counts: () => { busy: number; queued: number };
}

/** `slots` 0: no limit. */
export function createSlots(limits: () => { slots: number; queueMax: number }): Slots {
  const queue = new Set<() => void>();
  let busy = 0;

  const hasRoom = (): boolean => limits().slots === 0 || busy < limits().slots;

  function startNext(): void {
    for (const start of queue) {
      if (!hasRoom()) return;
      queue.delete(start);
      busy += 1;
      start();
    }
  }

  return {
    take(signal) {
      if (hasRoom()) {
        busy += 1;
        return Promise.resolve();
      }
      if (queue.size >= limits().queueMax) return null;
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          queue.delete(start);
          reject(new Error("the caller has left"));
        };
        const start = (): void => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        };
        queue.add(start);
        signal.addEventListener("abort", onAbort);
      });
    },
    free() {
      busy -= 1;
      startNext();
    },
    counts: () => ({ busy, queued: queue.size }),
  };
}
