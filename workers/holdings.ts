import type { Held } from "./held.ts";

/** All deliveries that this worker owns, waiting or running. Bounded by the prefetch. */
export interface Holdings {
  /** `onLost` is called if the channel goes while the delivery is owned. */
  add: (held: Held, onLost: () => void) => void;
  remove: (held: Held) => void;
  all: () => Iterable<Held>;
  size: () => number;
  /** Resolves when nothing is owned, or when the signal aborts. */
  whenEmpty: (signal: AbortSignal) => Promise<void>;
}

export function createHoldings(): Holdings {
  const owned = new Map<Held, () => void>();
  const waiters = new Set<() => void>();

  return {
    add(held, onLost) {
      owned.set(held, onLost);
      held.delivery.lost.addEventListener("abort", onLost);
    },
    remove(held) {
      const onLost = owned.get(held);
      if (onLost === undefined) return;
      owned.delete(held);
      held.delivery.lost.removeEventListener("abort", onLost);
      if (owned.size === 0) for (const wake of waiters) wake();
    },
    all: () => owned.keys(),
    size: () => owned.size,
    whenEmpty(signal) {
      if (owned.size === 0 || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const end = (): void => {
          waiters.delete(end);
          signal.removeEventListener("abort", end);
          resolve();
        };
        waiters.add(end);
        signal.addEventListener("abort", end);
      });
    },
  };
}
