import type { Channel, ConsumeMessage } from "amqplib";
import { isAmqpError } from "./broker-fault.ts";
import type { AmqpConnection } from "./connection.ts";
import { deliveryCountOf, timestampMsOf } from "./delivery.ts";
import { type BrowsedMessage, NOT_FOUND } from "./inspect.ts";

export interface TakenMessage extends BrowsedMessage {
  /** Unix milliseconds, in whole seconds; 0: it has none. */
  timestampMs: number;
}

/** Where others consume as well fewer come than were counted: after so long without one there are no more. */
const QUIET_MS = 100;
/** Longest use of the channel, `handle` included. */
const TAKE_MS = 60_000;

/**
 * Takes up to `limit` messages (2000 at most) that no consumer owns out of a queue, in order, and hands them
 * to `handle` as one batch, if there is one at all. They are acked after it has resolved. If it throws, all
 * go back to where they were; that counts towards the delivery limit of the queue (20 for requests), so take
 * nothing that cannot be handled now. Returns how many were taken; a queue that is not there has none.
 *
 * It subscribes, because getting messages one by one takes 70 times as long (500 of 1 KB: 3.7 s against
 * 0.05 s).
 *
 * @throws {Fault} BROKER_UNAVAILABLE, also with what `handle` throws as its cause
 * @throws what `handle` throws if it is a Fault
 */
export function takeReady(
  connection: Pick<AmqpConnection, "withChannel">,
  queue: string,
  limit: number,
  handle: (messages: TakenMessage[]) => Promise<void>,
): Promise<number> {
  return connection.withChannel(async (channel) => {
    const expected = Math.min(limit, await countReady(channel, queue));
    const messages = expected === 0 ? [] : await receive(channel, queue, expected);
    const last = messages.at(-1);
    if (last === undefined) return 0;
    await handle(messages.map(taken));
    // The channel is this batch's own, and what else may have come on it is in the batch.
    channel.ack(last, true);
    return messages.length;
  }, TAKE_MS);
}

async function countReady(channel: Channel, queue: string): Promise<number> {
  try {
    return (await channel.checkQueue(queue)).messageCount;
  } catch (error) {
    if (isAmqpError(error, NOT_FOUND)) return 0;
    throw error;
  }
}

/** Resolves with the messages once there are as many as expected, or no more come. */
async function receive(
  channel: Channel,
  queue: string,
  expected: number,
): Promise<ConsumeMessage[]> {
  const messages: ConsumeMessage[] = [];
  const { promise: received, resolve } = Promise.withResolvers<void>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  function expectMore(): void {
    clearTimeout(timer);
    if (messages.length < expected) timer = setTimeout(resolve, QUIET_MS);
    else resolve();
  }
  await channel.prefetch(expected);
  const { consumerTag } = await channel.consume(queue, (message) => {
    if (message === null) return resolve();
    messages.push(message);
    expectMore();
  });
  expectMore();
  await received;
  clearTimeout(timer);
  // Those that are under way still come before it is confirmed.
  await channel.cancel(consumerTag);
  return messages;
}

function taken({ content, properties }: ConsumeMessage): TakenMessage {
  const headers = properties.headers ?? {};
  return {
    body: content,
    headers,
    messageId: properties.messageId,
    type: properties.type,
    timestampMs: timestampMsOf(properties),
    deliveryCount: deliveryCountOf(headers),
  };
}
