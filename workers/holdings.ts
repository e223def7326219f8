import type { Held } from "./held.ts";

/** All deliveries that this worker owns, waiting or running. Bounded by the prefetch. */
export interface Holdings {
  add: (held: Held) => void;
  remove: (held: Held) => void;
  all: () => Iterable<Held>;
  size: () => number;
  /** Resolves when nothing is owned, or when the signal aborts. */
  whenEmpty: (signal: AbortSignal) => Promise<void>;
}

/** `onLost` is called for each delivery whose channel goes while it is owned. */
export function createHoldings(onLost: (held: Held) => void): Holdings {
  const owned = new Set<Held>();
  const waiters = new Set<() => void>();
  const watched = new WeakSet<AbortSignal>();

  /** One listener for all deliveries of a channel: one for each was a twentieth of what a delivery costs here. */
  function watch(lost: AbortSignal): void {
    if (watched.has(lost)) return;
    watched.add(lost);
    lost.addEventListener("abort", () => {
      for (const held of owned) if (held.delivery.lost === lost) onLost(held);
    });
  }

  return {
    add(held) {
      owned.add(held);
      watch(held.delivery.lost);
    },
    remove(held) {
      if (owned.delete(held) && owned.size === 0) for (const wake of waiters) wake();
    },
    all: () => owned,
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
