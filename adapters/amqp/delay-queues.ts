import type { AmqpConnection } from "./connection.ts";
import { declareTopology, retryQueue } from "./topology.ts";

/** The delay queues that a process publishes to: whichever its configuration asks for now. */
export interface DelayQueues {
  /**
   * Declares the queue of each delay that was not declared yet, so that a reload learns early what the broker
   * refuses.
   *
   * @throws {Fault} BROKER_UNAVAILABLE
   * @throws {TopologyMismatchError} when a queue exists with other arguments
   */
  declare: (delaysMs: readonly number[]) => Promise<void>;
  /**
   * Calls `publish` with the name of the queue that delays a message for `delayMs` at most; the queue exists
   * by then. If the publish fails the queue is declared again at its next use.
   *
   * @throws what `declare` throws, and what `publish` throws
   */
  into: (delayMs: number, publish: (queue: string) => Promise<void>) => Promise<void>;
}

export function createDelayQueues(
  connection: Pick<AmqpConnection, "withChannel">,
  { prefix }: { prefix: string },
): DelayQueues {
  /** By delay; bounded by the distinct delays of all configurations that this process has read. */
  const declared = new Map<number, Promise<string>>();

  function declareOne(delayMs: number): Promise<string> {
    const known = declared.get(delayMs);
    if (known !== undefined) return known;
    const queue = retryQueue(prefix, delayMs);
    const declaring = declareTopology(connection.withChannel, [queue]).then(() => queue.name);
    declared.set(delayMs, declaring);
    // Its callers learn of the failure; the next one tries again.
    declaring.catch(() => declared.delete(delayMs));
    return declaring;
  }

  return {
    async declare(delaysMs) {
      for (const delayMs of delaysMs) await declareOne(delayMs);
    },
    async into(delayMs, publish) {
      const queue = await declareOne(delayMs);
      try {
        await publish(queue);
      } catch (error) {
        declared.delete(delayMs);
        throw error;
      }
    },
  };
}
