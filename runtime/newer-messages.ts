import type { Log } from "./log.ts";
import { pause, type Schedule } from "./schedule.ts";

/**
 * A message that a newer version wrote and only that version can read. It is settled once, by `ack` or
 * `requeue`.
 */
export interface NewerMessage {
  /** Aborts when the broker gives the message to somebody else. */
  lost: AbortSignal;
  /**
   * Puts it at the end of its queue unchanged, as if it had never been delivered; resolves when the broker
   * has confirmed.
   */
  publishUnchanged: () => Promise<void>;
  ack: () => void;
  requeue: () => void;
}

/** The messages that this process leaves to newer processes. */
export interface NewerMessages {
  keep: (message: NewerMessage, reason: string) => void;
  /**
   * Publishes all that is kept, at once; resolves when nothing is kept. What the broker has not confirmed
   * when the signal aborts is requeued. To be called when no more messages can come.
   */
  handOver: (signal: AbortSignal) => Promise<void>;
}

/**
 * How long one is kept before it goes round again. Kept messages fill the prefetch, so that the newer readers
 * of a rollout take the others; but where there is no newer reader yet, the messages that this version can
 * read wait behind them for as long.
 */
const KEPT_MS = 5_000;

/**
 * Keeps each message for a while and then publishes it anew, again and again until a newer process takes it:
 * a rollout may take a day. Published and not requeued, because a requeue counts as a delivery, and after a
 * few of those a message is given up. While that cannot be done, with the broker out of memory for example,
 * it keeps the message.
 */
export function createNewerMessages(ports: { schedule: Schedule; log: Log }): NewerMessages {
  const kept = new Set<Promise<void>>();
  const handingOver = new AbortController();
  const timeOver = new AbortController();

  async function keepAndPassOn(message: NewerMessage): Promise<void> {
    for (;;) {
      await pause(ports.schedule, KEPT_MS, handingOver.signal);
      if (message.lost.aborted) return;
      if (await isPublishedAgain(message)) {
        message.ack();
        return;
      }
      if (handingOver.signal.aborted) {
        message.requeue();
        return;
      }
    }
  }

  /** False: the broker has not confirmed, or not in time. */
  async function isPublishedAgain(message: NewerMessage): Promise<boolean> {
    if (timeOver.signal.aborted) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const giveUp = (): void => resolve(false);
    timeOver.signal.addEventListener("abort", giveUp);
    message.publishUnchanged().then(
      () => resolve(true),
      (error: unknown) => {
        ports.log.warn({ err: error }, "a message for a newer version was not published again");
        resolve(false);
      },
    );
    return promise.finally(() => timeOver.signal.removeEventListener("abort", giveUp));
  }

  return {
    keep: (message, reason) => {
      // Logged once, and not for each of thousands in every round.
      if (kept.size === 0) ports.log.warn({ reason }, "messages wait for a newer version");
      const over = keepAndPassOn(message).finally(() => kept.delete(over));
      kept.add(over);
    },
    handOver: async (signal) => {
      handingOver.abort();
      const endWait = (): void => timeOver.abort();
      if (signal.aborted) endWait();
      signal.addEventListener("abort", endWait);
      await Promise.all(kept);
      signal.removeEventListener("abort", endWait);
    },
  };
}
