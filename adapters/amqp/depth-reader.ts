import type { Channel } from "amqplib";

import { brokerFault, isAmqpError } from "./broker-fault.ts";
import type { AmqpConnection } from "./connection.ts";

/** Counts the messages of queues many times a second, on one channel that is kept. */
export interface DepthReader {
  /**
   * Messages ready in each queue, in order; 0 where there is no queue.
   *
   * @throws {Fault} BROKER_UNAVAILABLE
   */
  read: (names: readonly string[]) => Promise<number[]>;
  close: () => Promise<void>;
}

/** The broker closes the channel that asks for a missing queue, so that one is asked for seldom. */
const MISSING_MS = 5_000;
const CLOSE_MS = 1_000;
const NOT_FOUND = 404;

export function createDepthReader(
  connection: Pick<AmqpConnection, "keepChannel">,
  now: () => number,
): DepthReader {
  let open: Channel | undefined;
  /** Until when each is not asked for again. */
  const missing = new Map<string, number>();
  const release = connection.keepChannel({
    name: "depths",
    setup: (channel) => {
      open = channel;
    },
    lost: () => {
      open = undefined;
    },
  });

  async function depthOf(name: string): Promise<number> {
    if ((missing.get(name) ?? 0) > now()) return 0;
    if (open === undefined) throw brokerFault("there is no channel to count queues on");
    try {
      const { messageCount } = await open.checkQueue(name);
      missing.delete(name);
      return messageCount;
    } catch (error) {
      if (isAmqpError(error, NOT_FOUND)) missing.set(name, now() + MISSING_MS);
      throw brokerFault("a queue could not be counted", error);
    }
  }

  return {
    // All are asked for at once; the replies come in order.
    read: (names) => Promise.all(names.map(depthOf)),
    close: () => release(CLOSE_MS),
  };
}
