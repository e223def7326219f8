import { IllegalOperationError, type ConfirmChannel, type Message } from "amqplib";
import type { Acks } from "./acks.ts";

/**
 * A message that this process owns until it is settled, once, by one of the three methods. They return false,
 * and do nothing, when it was settled before or its channel is gone: then the broker delivers it again to
 * somebody.
 */
export interface Delivery {
  body: Uint8Array;
  headers: Readonly<Record<string, unknown>>;
  messageId: unknown;
  type: unknown;
  /** Unix milliseconds, in whole seconds; 0: it has none. */
  timestampMs: number;
  /** It may have been delivered before. */
  redelivered: boolean;
  /** How often it came back to its queue unsettled: by a lost consumer or by `requeue`. */
  deliveryCount: number;
  /** Aborts when its channel is gone: settling does nothing then, and the broker delivers it again. */
  lost: AbortSignal;
  /**
   * The message is done with. The broker is told within some milliseconds, together with the acks of its
   * neighbours; a crash before that repeats it.
   */
  ack: () => boolean;
  /**
   * Returns it to its queue, to be delivered again at once; that counts towards the delivery limit of the
   * queue.
   */
  requeue: () => boolean;
  /** Passes it on to the queue's dead-letter target. */
  reject: () => boolean;
}

/** What the deliveries of one channel share. */
export interface DeliveryChannel {
  channel: ConfirmChannel;
  isOpen: boolean;
  lost: AbortController;
  acks: Acks<Message>;
}

/**
 * Wraps a message of an open channel; must be called in the order of delivery. `onSettled` is called once,
 * when it is settled, and not when its channel is lost.
 */
export function createDelivery(
  home: DeliveryChannel,
  message: Message,
  onSettled: () => void,
): Delivery {
  const { content, fields, properties } = message;
  const headers = properties.headers ?? {};
  let isSettled = false;
  home.acks.arrived(message);

  /**
   * Settling a tag twice is a protocol error that closes the channel with all its deliveries, hence the
   * guard.
   */
  function mayBeSettled(): boolean {
    if (isSettled || !home.isOpen) return false;
    isSettled = true;
    return true;
  }

  function leave(isRequeued: boolean): boolean {
    if (!mayBeSettled()) return false;
    home.acks.left(message);
    // Not `nack`: since RabbitMQ 4.3 that no longer counts towards the delivery limit, so a loop of it would
    // never end.
    const isWritten = unlessClosing(() => home.channel.reject(message, isRequeued));
    onSettled();
    return isWritten;
  }

  return {
    body: content,
    headers,
    messageId: properties.messageId,
    type: properties.type,
    timestampMs: timestampMsOf(properties),
    redelivered: fields.redelivered,
    deliveryCount: deliveryCountOf(headers),
    lost: home.lost.signal,
    ack() {
      if (!mayBeSettled()) return false;
      home.acks.ack(message);
      onSettled();
      return true;
    },
    requeue: () => leave(true),
    reject: () => leave(false),
  };
}

/**
 * Writes; returns false when the channel is closing and its `close` event has not come yet.
 *
 * @throws what `write` throws for any other reason
 */
export function unlessClosing(write: () => void): boolean {
  try {
    write();
    return true;
  } catch (error) {
    if (error instanceof IllegalOperationError) return false;
    throw error;
  }
}

/** The time of a message, Unix milliseconds in whole seconds, 0 where it has none. */
export function timestampMsOf({ timestamp }: Message["properties"]): number {
  return typeof timestamp === "number" ? timestamp * 1_000 : 0;
}

/** `x-delivery-count` of a quorum queue, 0 where it is absent. */
export function deliveryCountOf(headers: Readonly<Record<string, unknown>>): number {
  const count = headers["x-delivery-count"];
  return typeof count === "number" ? count : 0;
}
