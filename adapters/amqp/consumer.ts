import { randomUUIDv7 } from "bun";
import type { ConfirmChannel, ConsumeMessage, Message } from "amqplib";
import { after } from "../process/timers.ts";
import { createAcks } from "./acks.ts";
import { within } from "./broker-fault.ts";
import type { AmqpConnection } from "./connection.ts";
import { createDelivery, type Delivery, type DeliveryChannel, unlessClosing } from "./delivery.ts";

export interface ConsumerOptions {
  queue: string;
  /** Most unsettled deliveries that this consumer owns at once; at most 2000 on a quorum queue. */
  prefetch: number;
  /**
   * Takes over a delivery; must not throw. If it throws, the delivery goes back to the queue and counts
   * towards its delivery limit.
   */
  onDelivery: (delivery: Delivery) => void;
  /**
   * The broker ended the subscription (the queue was deleted, its node went away); it is made again
   * automatically.
   */
  onCancelled?: () => void;
  /** Subscribe only at `resume()`. */
  startPaused?: boolean;
}

export interface Consumer {
  /**
   * Ends the subscription; no delivery arrives once it has resolved, and those that arrived can still be
   * settled.
   *
   * @throws {Fault} BROKER_UNAVAILABLE when the broker does not answer in time
   */
  pause: () => Promise<void>;
  /**
   * Subscribes again; resolves once the broker has confirmed, or at once when there is no connection: the
   * next connection subscribes.
   *
   * @throws {Fault} BROKER_UNAVAILABLE when the broker does not answer in time
   */
  resume: () => Promise<void>;
  /** Ends the subscription and the channel; the broker takes back what was not settled. */
  close: () => Promise<void>;
}

const STEP_MS = 5_000;

/** Subscribes to a queue and subscribes again after every loss. */
export function createConsumer(connection: AmqpConnection, options: ConsumerOptions): Consumer {
  return new KeptConsumer(connection, options);
}

class KeptConsumer implements Consumer {
  readonly #connection: AmqpConnection;
  readonly #options: ConsumerOptions;
  readonly #release: (withinMs: number) => Promise<void>;
  #home: DeliveryChannel | undefined;
  /** Tag of the subscription on the present channel. */
  #tag: string | undefined;
  #isWanted: boolean;
  /** Subscribing and unsubscribing go one after the other. */
  #lastStep: Promise<void> = Promise.resolve();

  constructor(connection: AmqpConnection, options: ConsumerOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#isWanted = options.startPaused !== true;
    this.#release = connection.keepChannel({
      name: `consumer of ${options.queue}`,
      setup: (channel) => this.#adopt(channel),
      lost: () => this.#abandon(),
    });
  }

  async pause(): Promise<void> {
    this.#isWanted = false;
    await within(STEP_MS, "ending the subscription", this.#reconcile());
  }

  async resume(): Promise<void> {
    this.#isWanted = true;
    await within(STEP_MS, "subscribing", this.#reconcile());
  }

  async close(): Promise<void> {
    this.#isWanted = false;
    this.#home?.acks.flush();
    await this.#release(STEP_MS);
  }

  async #adopt(channel: ConfirmChannel): Promise<void> {
    const { prefetch } = this.#options;
    const acks = createAcks<Message>({
      prefetch,
      write: (message, isUpTo) => void unlessClosing(() => channel.ack(message, isUpTo)),
      now: () => performance.now(),
      schedule: after,
    });
    this.#home = { channel, isOpen: true, lost: new AbortController(), acks };
    await channel.prefetch(prefetch);
    await this.#reconcile();
  }

  #abandon(): void {
    const home = this.#home;
    this.#home = undefined;
    if (home !== undefined) {
      home.isOpen = false;
      home.acks.stop();
      home.lost.abort();
    }
    this.#tag = undefined;
  }

  /** Brings the subscription to what is wanted, after the steps under way. */
  #reconcile(): Promise<void> {
    const step = this.#lastStep.then(() => this.#step());
    // The caller of a step learns of its failure; the next step starts afresh.
    this.#lastStep = step.catch(() => {});
    return step;
  }

  async #step(): Promise<void> {
    const home = this.#home;
    if (home === undefined) return;
    try {
      if (this.#isWanted && this.#tag === undefined) await this.#subscribe(home);
      else if (!this.#isWanted && this.#tag !== undefined) await this.#unsubscribe(home, this.#tag);
    } catch (error) {
      // A step on a channel that was lost meanwhile is moot: the next channel starts from what is wanted.
      if (home.isOpen) throw error;
    }
  }

  async #subscribe(home: DeliveryChannel): Promise<void> {
    const tag = randomUUIDv7();
    this.#tag = tag;
    const onMessage = (message: ConsumeMessage | null): void => {
      if (message === null) this.#onCancelled(home, tag);
      else this.#onMessage(home, message);
    };
    await home.channel.consume(this.#options.queue, onMessage, { consumerTag: tag });
  }

  async #unsubscribe(home: DeliveryChannel, tag: string): Promise<void> {
    await home.channel.cancel(tag);
    this.#tag = undefined;
  }

  #onMessage(home: DeliveryChannel, message: ConsumeMessage): void {
    const delivery = createDelivery(home, message);
    try {
      this.#options.onDelivery(delivery);
    } catch (error) {
      // If it were thrown on, the client would close the channel with everything on it.
      this.#connection.log.error(
        { queue: this.#options.queue, err: error },
        "a delivery handler threw",
      );
      delivery.requeue();
    }
  }

  #onCancelled(home: DeliveryChannel, tag: string): void {
    this.#connection.log.warn({ queue: this.#options.queue }, "the broker ended a subscription");
    this.#options.onCancelled?.();
    if (this.#tag === tag) this.#tag = undefined;
    // If the queue is gone this closes the channel, which is opened again with backoff.
    this.#reconcile().catch(() => home.channel.close().catch(() => {}));
  }
}
