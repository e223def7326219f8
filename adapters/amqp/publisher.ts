import type { Fault } from "../../core/faults.ts";
import { BoundedFifo } from "./bounded-fifo.ts";
import { brokerFault, messageTooLarge } from "./broker-fault.ts";
import { type Address, ConfirmLane, type OnConfirm } from "./confirm-lane.ts";
import type { AmqpConnection } from "./connection.ts";
import type { OutgoingMessage } from "./messages.ts";
import type { Signatures } from "./signatures.ts";

export interface PublisherOptions {
  /**
   * Confirm channels, used in turn (at 1 KB one confirms 31k/s, four 49k/s); with fewer, writes and confirms
   * are larger.
   */
  channels: number;
  /** Most messages that were sent to the broker and are not yet confirmed. */
  messagesMax: number;
  /**
   * Most bytes of the bodies of such messages; one larger message may go alone. The client itself bounds only
   * frames, not bytes.
   */
  bytesMax: number;
  /** A publish ends after this, confirmed or not. */
  confirmTimeoutMs: number;
  /** Largest body; a larger one is refused before it is sent. Default: what the broker takes. */
  messageBytesMax?: number;
  /** Most publishes waiting for room in the window; more are refused at once. Default 10,000. */
  pendingMax?: number;
  /** Most bytes of the bodies of those; one larger message may wait alone. Default 32 MiB. */
  pendingBytesMax?: number;
  /** Signs every message but those that go on unchanged. */
  signatures: Pick<Signatures, "sign">;
}

export interface Publisher {
  /**
   * Publishes persistently; resolves once the broker has the message safe in `queue`.
   *
   * @throws {Fault} BROKER_UNAVAILABLE when that was not confirmed, after `confirmTimeoutMs` at the latest:
   * the channel or connection was lost, the broker refused the message, the queue does not exist, or the
   * window stayed full. The message may have arrived nevertheless, so publishing it again may make a
   * duplicate. MESSAGE_TOO_LARGE when the body is larger than `messageBytesMax`, or than the broker takes: it
   * has not arrived and never will.
   */
  publish: (queue: string, message: OutgoingMessage) => Promise<void>;
  /**
   * As `publish`, through an exchange: resolves once the broker has the message safe in every queue that the
   * exchange brings it to, which is one at least. An exchange that does not exist costs the channel: what was
   * not confirmed on it fails as well.
   *
   * @throws {Fault} as `publish` does
   */
  publishThrough: (exchange: string, routingKey: string, message: OutgoingMessage) => Promise<void>;
  /** Publishes that are neither confirmed nor failed. */
  unconfirmed: () => number;
  /** Waits until there are none, for at most `withinMs`; returns whether there are none. */
  drain: (withinMs: number) => Promise<boolean>;
  /** Closes the channels; what is unconfirmed fails, so drain first. */
  close: () => Promise<void>;
}

interface Entry {
  address: Address;
  message: OutgoingMessage;
  deadlineMs: number;
  resolve: () => void;
  reject: (error: unknown) => void;
}

const PENDING_MAX = 10_000;
/** Four times the usual window: what is refused beyond it costs its sender one more read of the row. */
const PENDING_BYTES_MAX = 32 * 1024 * 1024;
const CLOSE_MS = 2_000;
/**
 * For so long what the broker refused for its size is not sent again: each try costs the channel. After that
 * the broker may take more.
 */
const REFUSED_MS = 60_000;

/**
 * Opens its channels on the connection and keeps them open. Give it a connection without consumers:
 * back-pressure stops a whole connection.
 */
export function createPublisher(connection: AmqpConnection, options: PublisherOptions): Publisher {
  return new WindowedPublisher(connection, options);
}

/**
 * A slot of the window is taken from the send until the broker confirms or refuses that very message or its
 * channel ends, also when the publish itself has timed out before: else a blocked broker would make one
 * window after the other pile up in our memory.
 */
class WindowedPublisher implements Publisher {
  readonly #connection: AmqpConnection;
  readonly #options: PublisherOptions;
  readonly #lanes: ConfirmLane[];
  /** Sent and not settled, oldest first. */
  readonly #sent = new Set<Entry>();
  /** Waiting for room in the window or for a channel to open, oldest first. */
  readonly #waiting: BoundedFifo<Entry>;
  readonly #sweepEveryMs: number;
  /** The broker has refused a message of so many bytes. */
  #refused = { bytes: Infinity, untilMs: 0 };
  #slotsTaken = 0;
  #bytesTaken = 0;
  #bytesWaiting = 0;
  #nextLane = 0;
  #sweepTimer: ReturnType<typeof setTimeout> | undefined;
  #onDrained: (() => void)[] = [];
  #isClosed = false;

  constructor(connection: AmqpConnection, options: PublisherOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#waiting = new BoundedFifo(options.pendingMax ?? PENDING_MAX);
    this.#sweepEveryMs = Math.min(250, Math.max(10, options.confirmTimeoutMs / 10));
    this.#lanes = Array.from(
      { length: options.channels },
      (_, index) => new ConfirmLane(connection, `publisher ${index}`, () => this.#sendWaiting()),
    );
  }

  publish(queue: string, message: OutgoingMessage): Promise<void> {
    return this.publishThrough("", queue, message);
  }

  publishThrough(exchange: string, routingKey: string, given: OutgoingMessage): Promise<void> {
    const address = { exchange, routingKey };
    const message = given.isUnchanged === true ? given : this.#options.signatures.sign(given);
    return new Promise((resolve, reject) => {
      const deadlineMs = performance.now() + this.#options.confirmTimeoutMs;
      const entry = { address, message, deadlineMs, resolve, reject };
      const tooLarge = this.#judgeSize(message);
      if (tooLarge !== undefined) reject(tooLarge);
      else if (this.#isClosed || this.#connection.state() === "down")
        reject(brokerFault("there is no connection to the queue"));
      else if (this.#waiting.size === 0 && this.#hasRoom(message) && this.#send(entry))
        this.#watch();
      else if (this.#enterLine(entry)) this.#watch();
      else
        reject(
          brokerFault(
            `${this.#waiting.size} messages of ${this.#bytesWaiting} bytes wait for the queue already`,
          ),
        );
    });
  }

  unconfirmed(): number {
    return this.#sent.size + this.#waiting.size;
  }

  async drain(withinMs: number): Promise<boolean> {
    if (this.unconfirmed() === 0) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), withinMs);
    this.#onDrained.push(() => resolve(true));
    return promise.finally(() => clearTimeout(timer));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#sweepTimer);
    this.#failUntil(Infinity, "the publisher was closed");
    await Promise.all(this.#lanes.map((lane) => lane.release(CLOSE_MS)));
  }

  #judgeSize({ body: { byteLength } }: OutgoingMessage): Fault | undefined {
    const { messageBytesMax = Infinity } = this.#options;
    if (byteLength > messageBytesMax) return messageTooLarge(byteLength, messageBytesMax);
    const isRefused =
      byteLength >= this.#refused.bytes && performance.now() < this.#refused.untilMs;
    return isRefused ? messageTooLarge(byteLength, null) : undefined;
  }

  #noteRefused(bytes: number): void {
    const nowMs = performance.now();
    const known = nowMs < this.#refused.untilMs ? this.#refused.bytes : Infinity;
    this.#refused = { bytes: Math.min(known, bytes), untilMs: nowMs + REFUSED_MS };
  }

  #hasRoom({ body }: OutgoingMessage): boolean {
    const { messagesMax, bytesMax } = this.#options;
    if (this.#slotsTaken === 0) return true;
    return this.#slotsTaken < messagesMax && this.#bytesTaken + body.byteLength <= bytesMax;
  }

  /** Sends on the next open channel; false: there is none. */
  #send(entry: Entry): boolean {
    const { byteLength } = entry.message.body;
    const onConfirm: OnConfirm = (fault) => {
      this.#slotsTaken -= 1;
      this.#bytesTaken -= byteLength;
      if (fault?.code === "MESSAGE_TOO_LARGE") this.#noteRefused(byteLength);
      // A publish that timed out has left the set; its late confirm only frees the slot.
      if (this.#sent.delete(entry)) {
        if (fault === undefined) entry.resolve();
        else entry.reject(fault);
      }
      if (this.#waiting.size > 0) this.#sendWaiting();
      if (this.#onDrained.length > 0) this.#noteDrained();
    };
    try {
      if (!this.#sendOnNextLane(entry, onConfirm)) return false;
    } catch (error) {
      // It cannot be encoded, so no other channel would take it either.
      entry.reject(error);
      return true;
    }
    this.#slotsTaken += 1;
    this.#bytesTaken += byteLength;
    this.#sent.add(entry);
    return true;
  }

  #sendOnNextLane({ address, message }: Entry, onConfirm: OnConfirm): boolean {
    for (let tried = 0; tried < this.#lanes.length; tried += 1) {
      this.#nextLane = (this.#nextLane + 1) % this.#lanes.length;
      if (this.#lanes[this.#nextLane]?.send(address, message, onConfirm) === true) return true;
    }
    return false;
  }

  /** Puts a publish at the end of the line; false: the line is full. */
  #enterLine(entry: Entry): boolean {
    const bytes = this.#bytesWaiting + entry.message.body.byteLength;
    const bytesMax = this.#options.pendingBytesMax ?? PENDING_BYTES_MAX;
    if (bytes > bytesMax && this.#waiting.size > 0) return false;
    if (!this.#waiting.push(entry)) return false;
    this.#bytesWaiting = bytes;
    return true;
  }

  #leaveLine(): void {
    this.#bytesWaiting -= this.#waiting.shift()?.message.body.byteLength ?? 0;
  }

  #sendWaiting(): void {
    for (let entry = this.#waiting.peek(); entry !== undefined; entry = this.#waiting.peek()) {
      if (!this.#hasRoom(entry.message) || !this.#send(entry)) return;
      this.#leaveLine();
    }
  }

  #watch(): void {
    this.#sweepTimer ??= setTimeout(() => this.#sweep(), this.#sweepEveryMs);
  }

  /** One timer for all publishes: a timer each would cost more than the publish itself. */
  #sweep(): void {
    this.#sweepTimer = undefined;
    const { confirmTimeoutMs } = this.#options;
    this.#failUntil(performance.now(), `the queue did not confirm within ${confirmTimeoutMs} ms`);
    // The client has failed what was sent already.
    if (this.#connection.state() === "down")
      this.#failWaitingUntil(Infinity, "there is no connection to the queue");
    this.#noteDrained();
    if (this.unconfirmed() > 0) this.#watch();
  }

  /** Fails what is overdue at `nowMs`; both lines are in the order of their deadlines. */
  #failUntil(nowMs: number, problem: string): void {
    for (const entry of this.#sent) {
      if (entry.deadlineMs > nowMs) break;
      this.#sent.delete(entry);
      entry.reject(brokerFault(problem));
    }
    this.#failWaitingUntil(nowMs, problem);
  }

  #failWaitingUntil(nowMs: number, problem: string): void {
    for (let entry = this.#waiting.peek(); entry !== undefined; entry = this.#waiting.peek()) {
      if (entry.deadlineMs > nowMs) return;
      this.#leaveLine();
      entry.reject(brokerFault(problem));
    }
  }

  #noteDrained(): void {
    if (this.unconfirmed() > 0) return;
    for (const resolve of this.#onDrained) resolve();
    this.#onDrained = [];
  }
}
