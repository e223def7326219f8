import type { Channel, GetMessage } from "amqplib";
import { isAmqpError } from "./broker-fault.ts";
import type { AmqpConnection } from "./connection.ts";
import { deliveryCountOf } from "./delivery.ts";
import type { IncomingMessage } from "./messages.ts";

export interface QueueDepth {
  /** Messages that no consumer owns. */
  ready: number;
  /**
   * Subscriptions, of which a consumer may have several; one that has ended counts until its messages are
   * settled.
   */
  consumers: number;
}

/** A message that was read and is in its queue again. */
export interface BrowsedMessage extends IncomingMessage {
  deliveryCount: number;
}

export const NOT_FOUND = 404;

/**
 * Returns the depth of each queue by name; null: there is no such queue.
 *
 * @throws {Fault} BROKER_UNAVAILABLE
 */
export async function queueDepths(
  connection: Pick<AmqpConnection, "withChannel">,
  names: readonly string[],
): Promise<Map<string, QueueDepth | null>> {
  // A channel each, because the broker closes the channel that asks for a queue that is not there.
  const depths = await Promise.all(
    names.map((name) => connection.withChannel((channel) => depthOf(channel, name))),
  );
  return new Map(names.map((name, index) => [name, depths[index] ?? null]));
}

async function depthOf(channel: Channel, name: string): Promise<QueueDepth | null> {
  try {
    const { messageCount, consumerCount } = await channel.checkQueue(name);
    return { ready: messageCount, consumers: consumerCount };
  } catch (error) {
    if (isAmqpError(error, NOT_FOUND)) return null;
    throw error;
  }
}

/**
 * Returns the first `limit` messages of a queue, in order, without taking them. Meant for dead letters: a
 * message that is put back counts as delivered, so looking too often at `inference_requests` would fail
 * requests.
 *
 * @throws {Fault} BROKER_UNAVAILABLE
 */
export async function browse(
  connection: AmqpConnection,
  queue: string,
  { limit }: { limit: number },
): Promise<BrowsedMessage[]> {
  const messages: BrowsedMessage[] = [];
  await lookThrough(connection, queue, { limit }, (message) => messages.push(message));
  return messages;
}

/**
 * As `browse`, one message at a time: what `look` does not keep takes no memory.
 *
 * @throws {Fault} BROKER_UNAVAILABLE, also when `look` throws
 */
export async function lookThrough(
  connection: AmqpConnection,
  queue: string,
  { limit }: { limit: number },
  look: (message: BrowsedMessage) => unknown,
): Promise<void> {
  await connection.withChannel((channel) =>
    puttingBack(channel, async () => {
      for (let seen = 0; seen < limit; seen += 1) {
        const message = await channel.get(queue);
        if (message === false) return;
        look(browsed(message));
      }
    }),
  );
}

/**
 * Takes the first message with that id out of a queue, looking at no more than `limit` messages and leaving
 * the others. `move` runs before it is taken, so that a message which is published elsewhere there is never
 * lost; if it throws, the message stays. Returns whether there was one.
 *
 * @throws {Fault} BROKER_UNAVAILABLE, also with what `move` throws as its cause
 */
export async function takeOne(
  connection: AmqpConnection,
  queue: string,
  messageId: string,
  options: { limit: number; move?: (message: BrowsedMessage) => Promise<void> },
): Promise<boolean> {
  return connection.withChannel((channel) =>
    puttingBack(channel, async () => {
      for (let seen = 0; seen < options.limit; seen += 1) {
        const message = await channel.get(queue);
        if (message === false) return false;
        if (message.properties.messageId !== messageId) continue;
        await options.move?.(browsed(message));
        channel.ack(message);
        return true;
      }
      return false;
    }),
  );
}

/**
 * Puts back what was looked at and not taken. Closing the channel does that too, but some time after it is
 * closed: whoever looked again at once would find the queue empty.
 */
async function puttingBack<Result>(channel: Channel, use: () => Promise<Result>): Promise<Result> {
  const result = await use();
  channel.nackAll(true);
  return result;
}

/** What becomes of a message that was shown; `stop` leaves it, and those behind it. */
export type Sifted = "take" | "leave" | "stop";

/**
 * Shows the first `limit` messages of a queue one after the other and takes out those that are to be taken;
 * the others stay in it. A message is taken after `sift` has said so, so what it does with it
 * first is never lost. Meant for dead letters, as `browse`.
 *
 * @throws {Fault} BROKER_UNAVAILABLE, also after `withinMs` and with what `sift` throws as its cause
 */
export async function siftQueue(
  connection: AmqpConnection,
  queue: string,
  { limit, withinMs }: { limit: number; withinMs: number },
  sift: (message: BrowsedMessage) => Promise<Sifted>,
): Promise<void> {
  await connection.withChannel(
    (channel) =>
      puttingBack(channel, async () => {
        for (let seen = 0; seen < limit; seen += 1) {
          const message = await channel.get(queue);
          if (message === false) return;
          const sifted = await sift(browsed(message));
          if (sifted === "stop") return;
          if (sifted === "take") channel.ack(message);
        }
      }),
    withinMs,
  );
}

/** Removes every message that no consumer owns; returns how many. @throws {Fault} BROKER_UNAVAILABLE */
export async function purge(connection: AmqpConnection, queue: string): Promise<number> {
  const { messageCount } = await connection.withChannel((channel) => channel.purgeQueue(queue));
  return messageCount;
}

function browsed({ content, properties }: GetMessage): BrowsedMessage {
  const headers = properties.headers ?? {};
  return {
    body: content,
    headers,
    messageId: properties.messageId,
    type: properties.type,
    deliveryCount: deliveryCountOf(headers),
  };
}
