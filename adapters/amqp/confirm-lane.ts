import { IllegalOperationError, type ConfirmChannel, type Options } from "amqplib";
import type { Fault } from "../../core/faults.ts";
import { brokerFault, isAmqpError, messageTooLarge } from "./broker-fault.ts";
import type { AmqpConnection } from "./connection.ts";
import type { OutgoingMessage } from "./messages.ts";

/**
 * What the broker says of a message: nothing when it is safe in its queue, else BROKER_UNAVAILABLE, or
 * MESSAGE_TOO_LARGE where it would refuse it again.
 */
export type OnConfirm = (fault?: Fault) => void;

/** Where a message goes: the default exchange, "", brings it to the queue that its routing key names. */
export interface Address {
  exchange: string;
  routingKey: string;
}

interface OpenLane {
  channel: ConfirmChannel;
  /** Messages that came back as unroutable; their confirm follows, and says that all is well. */
  returned: Set<string>;
  /** The bytes of each message that was sent and is not confirmed. */
  unconfirmed: Set<{ bytes: number }>;
  /** The broker has closed the channel for a message of so many bytes at most; null: it has not. */
  refusedBytes: number | null;
}

/**
 * What RabbitMQ says to a message above its max_message_size, and then closes the channel. Nothing else that
 * is published here can break a precondition.
 */
const PRECONDITION_FAILED = 406;

/** One confirm channel for publishing, opened again whenever it is lost. */
export class ConfirmLane {
  /** Closes the channel for good, within so many milliseconds. */
  readonly release: (withinMs: number) => Promise<void>;
  #open: OpenLane | undefined;

  constructor(connection: AmqpConnection, name: string, onOpen: () => void) {
    this.release = connection.keepChannel({
      name,
      setup: (channel) => {
        const open: OpenLane = {
          channel,
          returned: new Set(),
          unconfirmed: new Set(),
          refusedBytes: null,
        };
        channel.on("return", ({ fields, properties }) =>
          open.returned.add(returnKey(fields, String(properties.messageId))),
        );
        // Before its `close`, which fails all that is unconfirmed. The broker does not say which message it
        // meant. It judges by the size alone, so the largest is refused in any case.
        channel.on("error", (error: unknown) => {
          if (isAmqpError(error, PRECONDITION_FAILED))
            open.refusedBytes = largestOf(open.unconfirmed);
        });
        this.#open = open;
        onOpen();
      },
      lost: () => {
        this.#open = undefined;
      },
    });
  }

  isOpen(): boolean {
    return this.#open !== undefined;
  }

  /**
   * Sends a message; `onConfirm` is called once, later, also when the channel is lost. Returns false when the
   * channel is closed and nothing was sent.
   *
   * @throws the client's error when the message cannot be encoded
   */
  send(address: Address, message: OutgoingMessage, onConfirm: OnConfirm): boolean {
    const open = this.#open;
    if (open === undefined) return false;
    const { body, messageId, type, headers, timestampMs, expirationMs } = message;
    const properties: Options.Publish = {
      persistent: true,
      // Without it the broker confirms what no queue takes.
      mandatory: true,
      contentType: "application/octet-stream",
      messageId,
      type,
      headers,
      timestamp: Math.floor(timestampMs / 1000),
    };
    if (expirationMs !== undefined) properties.expiration = Math.max(0, Math.floor(expirationMs));
    const sent = { bytes: body.byteLength };
    const onReply = (error: unknown): void => {
      open.unconfirmed.delete(sent);
      if (open.returned.size > 0 && open.returned.delete(returnKey(address, messageId)))
        onConfirm(brokerFault("the queue of the message does not exist"));
      else if (error === null) onConfirm();
      else if (open.refusedBytes !== null && sent.bytes >= open.refusedBytes)
        onConfirm(messageTooLarge(sent.bytes, null));
      else onConfirm(brokerFault("the broker did not confirm the message", error));
    };
    try {
      open.channel.publish(
        address.exchange,
        address.routingKey,
        toBuffer(body),
        properties,
        onReply,
      );
      open.unconfirmed.add(sent);
      return true;
    } catch (error) {
      // The channel is closing: its `close` event has not come yet.
      if (!(error instanceof IllegalOperationError)) throw error;
      this.#open = undefined;
      return false;
    }
  }
}

function largestOf(sent: Iterable<{ bytes: number }>): number {
  let largest = 0;
  for (const { bytes } of sent) largest = Math.max(largest, bytes);
  return largest;
}

/** By id and address: a worker may publish a result and a dead letter of one request at the same time. */
function returnKey({ exchange, routingKey }: Address, messageId: string): string {
  return `${messageId} ${exchange} ${routingKey}`;
}

/** The same bytes as a Buffer, which the client needs; not a copy. */
function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
