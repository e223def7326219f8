import { randomUUIDv7 } from "bun";
import type { ConfirmChannel, ConsumeMessage, Message } from "amqplib";
import { after } from "../process/timers.ts";
import { createAcks } from "./acks.ts";
import { within } from "./broker-fault.ts";
import type { AmqpConnection } from "./connection.ts";
import { createDelivery, type Delivery, type DeliveryChannel, unlessClosing } from "./delivery.ts";
import { closeQuietly } from "./kept-channel.ts";
import { nextSubscriptionStep, type Subscription } from "./subscriptions.ts";

export interface ConsumerOptions {
  queue: string;
  /**
   * Most unsettled deliveries that this consumer owns at once; 0: none yet. At most 2000 on a quorum queue.
   */
  prefetch: number;
  /**
   * Takes over a delivery; must not throw. If it throws, the delivery goes back to the queue and counts
   * towards its delivery limit.
   */
  onDelivery: (delivery: Delivery) => void;
  /**
   * The broker ended a subscription (the queue was deleted, its node went away); it is made again
   * automatically.
   */
  onCancelled?: () => void;
}

export interface Consumer {
  /**
   * Changes the prefetch, also of connections to come; 0 pauses. What is owned stays valid. Once it has
   * resolved no more than the new prefetch arrives at once; what is owned above it goes as it is settled. It
   * resolves at once when there is no connection.
   *
   * @throws {Fault} BROKER_UNAVAILABLE when the broker does not answer in time
   */
  setPrefetch: (prefetch: number) => Promise<void>;
  /** As a prefetch of 0. */
  pause: () => Promise<void>;
  /** Ends the subscription and the channel; the broker takes back what was not settled. */
  close: () => Promise<void>;
}

/** A subscription of ours on a channel. */
interface Tagged extends Subscription {
  tag: string;
  isOver: boolean;
}

/** The present channel and what is subscribed on it. */
interface Home extends DeliveryChannel {
  subscriptions: Tagged[];
  /** Unsettled deliveries of subscriptions that are over. */
  left: number;
}

const STEP_MS = 5_000;

/** Subscribes to a queue on a channel of its own, and subscribes again after every loss. */
export function createConsumer(connection: AmqpConnection, options: ConsumerOptions): Consumer {
  return new KeptConsumer(connection, options);
}

class KeptConsumer implements Consumer {
  readonly #connection: AmqpConnection;
  readonly #options: ConsumerOptions;
  readonly #release: (withinMs: number) => Promise<void>;
  #home: Home | undefined;
  #prefetch: number;
  /** Subscribing and unsubscribing go one after the other. */
  #lastSteps: Promise<void> = Promise.resolve();

  constructor(connection: AmqpConnection, options: ConsumerOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#prefetch = options.prefetch;
    this.#release = connection.keepChannel({
      name: `consumer of ${options.queue}`,
      setup: (channel) => this.#adopt(channel),
      lost: () => this.#abandon(),
    });
  }

  async setPrefetch(prefetch: number): Promise<void> {
    this.#prefetch = prefetch;
    await within(STEP_MS, "changing the prefetch", this.#reconcile());
  }

  pause(): Promise<void> {
    return this.setPrefetch(0);
  }

  async close(): Promise<void> {
    this.#prefetch = 0;
    this.#home?.acks.flush();
    await this.#release(STEP_MS);
  }

  async #adopt(channel: ConfirmChannel): Promise<void> {
    const acks = createAcks<Message>({
      prefetch: () => this.#prefetch,
      write: (message, isUpTo) => void unlessClosing(() => channel.ack(message, isUpTo)),
      now: () => performance.now(),
      schedule: after,
    });
    const lost = new AbortController();
    this.#home = { channel, isOpen: true, lost, acks, subscriptions: [], left: 0 };
    await this.#reconcile();
  }

  #abandon(): void {
    const home = this.#home;
    this.#home = undefined;
    if (home === undefined) return;
    home.isOpen = false;
    home.acks.stop();
    home.lost.abort();
  }

  /** Brings the subscriptions to what is wanted, after the steps under way. */
  #reconcile(): Promise<void> {
    const steps = this.#lastSteps.then(() => this.#takeSteps());
    // Their caller learns of the failure; the next steps start afresh.
    this.#lastSteps = steps.catch(() => {});
    return steps;
  }

  /** As `#reconcile`, when nobody waits for it: a failure costs the channel; the next one starts afresh. */
  #reconcileOn(home: Home): void {
    this.#reconcile().catch(() => closeQuietly(home.channel, STEP_MS));
  }

  async #takeSteps(): Promise<void> {
    const home = this.#home;
    if (home === undefined) return;
    try {
      for (let step = this.#nextStep(home); step !== undefined; step = this.#nextStep(home)) {
        if (step.kind === "subscribe") await this.#subscribe(home, step.prefetch);
        else for (const one of step.subscriptions) await this.#unsubscribe(home, one);
      }
    } catch (error) {
      // Steps on a channel that was lost meanwhile are moot: the next channel starts from what is wanted.
      if (home.isOpen) throw error;
    }
  }

  #nextStep({
    isOpen,
    subscriptions,
    left,
  }: Home): ReturnType<typeof nextSubscriptionStep<Tagged>> {
    return isOpen ? nextSubscriptionStep(this.#prefetch, subscriptions, left) : undefined;
  }

  async #subscribe(home: Home, prefetch: number): Promise<void> {
    const subscription: Tagged = { tag: randomUUIDv7(), prefetch, owned: 0, isOver: false };
    home.subscriptions.push(subscription);
    const onMessage = (message: ConsumeMessage | null): void => {
      if (message === null) this.#onCancelled(home, subscription);
      else this.#onMessage(home, subscription, message);
    };
    // What is free may be so by acks that are gathered still: the broker must know of them first.
    home.acks.flush();
    // Per consumer: it holds for those that subscribe after it.
    await home.channel.prefetch(prefetch);
    await home.channel.consume(this.#options.queue, onMessage, { consumerTag: subscription.tag });
  }

  async #unsubscribe(home: Home, subscription: Tagged): Promise<void> {
    await home.channel.cancel(subscription.tag);
    forget(home, subscription);
  }

  #onMessage(home: Home, subscription: Tagged, message: ConsumeMessage): void {
    subscription.owned += 1;
    const delivery = createDelivery(home, message, () => this.#onSettled(home, subscription));
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

  #onSettled(home: Home, subscription: Tagged): void {
    subscription.owned -= 1;
    if (!subscription.isOver) return;
    home.left -= 1;
    if (this.#nextStep(home) !== undefined) this.#reconcileOn(home);
  }

  #onCancelled(home: Home, subscription: Tagged): void {
    this.#connection.log.warn({ queue: this.#options.queue }, "the broker ended a subscription");
    this.#options.onCancelled?.();
    forget(home, subscription);
    // If the queue is gone this closes the channel, which is opened again with backoff.
    this.#reconcileOn(home);
  }
}

/** The subscription is over; what came on it stays owned. */
function forget(home: Home, subscription: Tagged): void {
  if (subscription.isOver) return;
  subscription.isOver = true;
  home.left += subscription.owned;
  home.subscriptions = home.subscriptions.filter((one) => one !== subscription);
}
