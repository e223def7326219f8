import type { QueueDepth } from "../ports.ts";

/** A queue that the keeper counts. */
export interface WatchedQueue extends Pick<QueueDepth, "queue" | "kind" | "model"> {
  /** How long a message may wait in it; null: for ever. */
  delayMs: number | null;
}

/** The queues of the configuration, and those of earlier ones for as long as a message may be in them. */
export interface WatchedQueues {
  /** Returns what to count now, given the queues of the configuration in force. */
  update: (configured: readonly WatchedQueue[]) => WatchedQueue[];
}

/**
 * A changed file reaches the processes of a cluster within a minute or two; the last of them may still use an
 * old queue so long.
 */
const OTHERS_RELOAD_WITHIN_MS = 600_000;

export function createWatchedQueues({ now }: { now: () => number }): WatchedQueues {
  const watched = new Map<string, { queue: WatchedQueue; untilMs: number }>();

  return {
    update(configured) {
      const nowMs = now();
      for (const queue of configured) {
        const untilMs = nowMs + OTHERS_RELOAD_WITHIN_MS + (queue.delayMs ?? 0);
        watched.set(queue.queue, { queue, untilMs });
      }
      for (const [name, { untilMs }] of watched) if (untilMs < nowMs) watched.delete(name);
      return [...watched.values()].map(({ queue }) => queue);
    },
  };
}
