import type { GetMessage } from "amqplib";

import type { AmqpConnection } from "./connection.ts";
import type { IncomingMessage } from "./messages.ts";

/**
 * Hands the first messages of a queue to `handle`, at most `limit` in one batch, and acks them when it has
 * resolved. When it throws they stay, which counts as a delivery of each. Returns how many there were.
 *
 * @throws {Fault} BROKER_UNAVAILABLE, and what `handle` throws
 */
export async function takeReady(
  connection: Pick<AmqpConnection, "withChannel">,
  queue: string,
  limit: number,
  handle: (messages: readonly IncomingMessage[]) => Promise<void>,
): Promise<number> {
  return connection.withChannel(async (channel) => {
    const taken: GetMessage[] = [];
    while (taken.length < limit) {
      const message = await channel.get(queue);
      if (message === false) break;
      taken.push(message);
    }
    const last = taken.at(-1);
    if (last === undefined) return 0;
    await handle(
      taken.map(({ content, properties }) => ({
        body: content,
        headers: properties.headers ?? {},
        messageId: properties.messageId,
        type: properties.type,
      })),
    );
    // Nothing else is owned on this channel: all of it up to the last.
    channel.ack(last, true);
    return taken.length;
  });
}
