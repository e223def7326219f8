import { IllegalOperationError, type ConfirmChannel, type Message } from "amqplib";

/**
 * A message held by this process until it is settled, once, by one of the four methods. They answer false, and do nothing, when it was
 * settled before or its channel is gone: then the broker delivers it again to somebody.
 */
export interface Delivery {
  body: Uint8Array;
  headers: Readonly<Record<string, unknown>>;
  messageId: unknown;
  type: unknown;
  /** It may have been delivered before. */
  redelivered: boolean;
  /** How often it came back to its queue unsettled: by a lost consumer or by `requeue`. */
  deliveryCount: number;
  /** Aborts when its channel is gone: settling does nothing then, and the broker delivers it again. */
  lost: AbortSignal;
  ack: () => boolean;
  /** Acks this one and every delivery of this channel before it that is not settled, whoever holds it. */
  ackUpTo: () => boolean;
  /** Gives it back, to be delivered again at once; that counts towards the delivery limit of the queue. */
  requeue: () => boolean;
  /** Hands it to the queue's dead-letter target. */
  reject: () => boolean;
}

/** What the deliveries of one channel share. */
export interface DeliveryChannel {
  channel: ConfirmChannel;
  isOpen: boolean;
  lost: AbortController;
  /** Highest tag of an `ackUpTo`. */
  ackedUpTo: number;
}

/** Wraps a message of an open channel. */
export function createDelivery(home: DeliveryChannel, message: Message): Delivery {
  const { content, fields, properties } = message;
  const headers = properties.headers ?? {};
  let isSettled = false;

  /** Settling a tag twice is a protocol error that closes the channel with all its deliveries, hence the guard. */
  function settle(act: () => void): boolean {
    if (isSettled || !home.isOpen || fields.deliveryTag <= home.ackedUpTo) return false;
    isSettled = true;
    try {
      act();
      return true;
    } catch (error) {
      // The channel is closing: its `close` event has not come yet.
      if (error instanceof IllegalOperationError) return false;
      throw error;
    }
  }

  return {
    body: content,
    headers,
    messageId: properties.messageId,
    type: properties.type,
    redelivered: fields.redelivered,
    deliveryCount: deliveryCountOf(headers),
    lost: home.lost.signal,
    ack: () => settle(() => home.channel.ack(message)),
    ackUpTo: () =>
      settle(() => {
        home.channel.ack(message, true);
        home.ackedUpTo = fields.deliveryTag;
      }),
    // Not `nack`: since RabbitMQ 4.3 that no longer counts towards the delivery limit, so a loop of it would never end.
    requeue: () => settle(() => home.channel.reject(message, true)),
    reject: () => settle(() => home.channel.reject(message, false)),
  };
}

/** `x-delivery-count` of a quorum queue, 0 where it is absent. */
export function deliveryCountOf(headers: Readonly<Record<string, unknown>>): number {
  const count = headers["x-delivery-count"];
  return typeof count === "number" ? count : 0;
}
