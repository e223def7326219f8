import type { Log } from "./log.ts";
import { pause, type Schedule } from "./schedule.ts";

/** A message that a newer version wrote and only that can read. Settled once, by `ack` or `requeue`. */
export interface NewerMessage {
  /** Aborts when the broker gives the message to somebody else. */
  lost: AbortSignal;
  /** Puts it to the end of its queue as it came, as if it had never been delivered; resolves when the broker has confirmed. */
  publishUnchanged: () => Promise<void>;
  ack: () => void;
  requeue: () => void;
}

/** The messages that this process leaves to newer ones. */
export interface NewerMessages {
  hold: (message: NewerMessage, reason: string) => void;
  /**
   * Lets go of all that is held, at once; resolves when nothing is. What is not through when the signal aborts is requeued.
   * To be called when no more can come.
   */
  handOver: (signal: AbortSignal) => Promise<void>;
}

/**
 * How long one is held before it goes round again. Held messages fill the prefetch, so that the newer readers of a rollout take the
 * others; but where there is none yet, the messages that this version can read wait behind them as long.
 */
const HELD_MS = 5_000;

/**
 * Holds each message for a while and then publishes it anew, again and again until a newer process takes it: a rollout may take a day.
 * Published and not requeued, because a requeue counts as a delivery, and after a few of those a message is given up. While that cannot
 * be done, with the broker out of memory for example, it goes on holding.
 */
export function createNewerMessages(ports: { schedule: Schedule; log: Log }): NewerMessages {
  const held = new Set<Promise<void>>();
  const handingOver = new AbortController();
  const timeOver = new AbortController();

  async function holdAndPassOn(message: NewerMessage): Promise<void> {
    for (;;) {
      await pause(ports.schedule, HELD_MS, handingOver.signal);
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

  /** False: the broker has not said so, or not in time. */
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
    hold: (message, reason) => {
      // Once, and not for each of thousands, round after round.
      if (held.size === 0) ports.log.warn({ reason }, "messages wait for a newer version");
      const over = holdAndPassOn(message).finally(() => held.delete(over));
      held.add(over);
    },
    handOver: async (signal) => {
      handingOver.abort();
      const giveBack = (): void => timeOver.abort();
      if (signal.aborted) giveBack();
      signal.addEventListener("abort", giveBack);
      await Promise.all(held);
      signal.removeEventListener("abort", giveBack);
    },
  };
}
