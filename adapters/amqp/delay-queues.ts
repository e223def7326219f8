import type { AmqpConnection } from "./connection.ts";
import { declareTopology, waitOf } from "./topology.ts";

/** The delay queues that a process publishes to: whichever its configuration asks for now. */
export interface DelayQueues {
  /**
   * Calls `publish` with the name of an exchange; what is published to it with the name of a queue as its
   * routing key comes to that queue after `delayMs` at most. The exchange is there by then, with its queue.
   * If the publish fails they are declared again at their next use.
   *
   * @throws {Fault} BROKER_UNAVAILABLE
   * @throws {TopologyMismatchError} when the exchange or its queue exists with other arguments
   * @throws what `publish` throws
   */
  into: (delayMs: number, publish: (exchange: string) => Promise<void>) => Promise<void>;
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
    const { exchange, queue } = waitOf(prefix, delayMs);
    const declaring = declareTopology(connection.withChannel, [queue]).then(() => exchange);
    declared.set(delayMs, declaring);
    // Its callers learn of the failure; the next one tries again.
    declaring.catch(() => declared.delete(delayMs));
    return declaring;
  }

  return {
    async into(delayMs, publish) {
      const exchange = await declareOne(delayMs);
      try {
        await publish(exchange);
      } catch (error) {
        declared.delete(delayMs);
        throw error;
      }
    },
  };
}
