import { encodeUnchanged, type OutgoingMessage } from "../../../adapters/amqp/messages.ts";
import { createPublisher, type Publisher } from "../../../adapters/amqp/publisher.ts";
import { openSignatures } from "../../../adapters/process/broker.ts";
import type { Stack } from "../../../local/stack/stack.ts";

/** Messages of a stack's queues in the hands of a test. Queues are named without their prefix. */
export interface PostOffice {
  /** Takes every message that no consumer holds out of a queue. */
  takeAll: (queue: string) => Promise<OutgoingMessage[]>;
  /** Resolves when the broker has it. What was taken keeps the signature that it had. */
  put: (queue: string, message: OutgoingMessage) => Promise<void>;
  /** As a process of ours would have written it. */
  putSigned: (queue: string, message: OutgoingMessage) => Promise<void>;
  close: () => Promise<void>;
}

export function openPostOffice({ books, config }: Pick<Stack, "books" | "config">): PostOffice {
  const { broker, queues } = books;
  const prefix = queues.requests.name.slice(0, -"inference_requests".length);
  const publisher: Publisher = createPublisher(broker, {
    channels: 1,
    messagesMax: 100,
    bytesMax: 1 << 24,
    confirmTimeoutMs: 5_000,
    signatures: openSignatures(() => config),
  });
  return {
    takeAll: (queue) =>
      broker.withChannel(async (channel) => {
        const taken: OutgoingMessage[] = [];
        for (;;) {
          const message = await channel.get(`${prefix}${queue}`);
          if (message === false) return taken;
          const { headers = {}, messageId, type, timestamp } = message.properties;
          const timestampMs = Number(timestamp) * 1_000;
          const body = message.content;
          taken.push(encodeUnchanged({ body, messageId, type, headers, timestampMs }));
          channel.ack(message);
        }
      }),
    put: (queue, message) => publisher.publish(`${prefix}${queue}`, message),
    putSigned: (queue, message) => {
      const own = { ...message };
      delete own.isUnchanged;
      return publisher.publish(`${prefix}${queue}`, own);
    },
    close: () => publisher.close(),
  };
}
