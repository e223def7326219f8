import type { QueueSpec } from "../../../adapters/amqp/topology.ts";
import { Fault } from "../../../core/faults.ts";
import type { FakeClock } from "../clock.ts";

/** Queues as RabbitMQ keeps them, whatever their messages are: prefetch, counts, delays and dead letters. */
export interface FakeBroker<Message> {
  /** Resolves when the message is in its queue. `expirationMs`: it leaves a delay queue earlier. */
  publish: (queue: string, message: Message, expirationMs?: number) => Promise<void>;
  /** Puts a message into its queue that came back to it so often before. */
  put: (queue: string, message: Message, deliveryCount: number) => void;
  /** As `publish`, to the queue that the exchange feeds; dead letters of that queue go by the routing key. */
  publishThrough: (
    exchange: string,
    routingKey: string,
    message: Message,
    expirationMs?: number,
  ) => Promise<void>;
  consume: (options: FakeConsumerOptions<Message>) => FakeConsumer;
  /** Messages that no consumer owns, the next one in front. */
  ready: (queue: string) => Message[];
  /** How many messages of the queue consumers own. */
  owned: (queue: string) => number;
  isAway: () => boolean;
  /** Loses every channel and takes no message until it is back; what subscribed then subscribes again. */
  setAway: (isAway: boolean) => void;
  /** The processes of all consumers die. */
  killConsumers: () => void;
}

interface FakeConsumerOptions<Message> {
  queue: string;
  /** Most messages that the consumer owns at once. */
  prefetch: number;
  onDelivery: (delivery: FakeDelivery<Message>) => void;
}

export interface FakeConsumer {
  /** Changes how many messages it owns at once; those owned stay valid. */
  setPrefetch: (prefetch: number) => Promise<void>;
  /** As a prefetch of 0. */
  pause: () => Promise<void>;
  /** Ends the consumer; what it owns goes back. */
  close: () => Promise<void>;
}

/** Owned until it is settled, once; then, and on a lost channel, settling does nothing and returns false. */
export interface FakeDelivery<Message> {
  message: Message;
  /** How often it came back to this queue unsettled. */
  deliveryCount: number;
  redelivered: boolean;
  lost: AbortSignal;
  ack: () => boolean;
  requeue: () => boolean;
  reject: () => boolean;
}

interface Kept<Message> {
  message: Message;
  routingKey: string;
  deliveryCount: number;
  /** When it leaves a delay queue. */
  expiresAtMs: number;
}

interface Queue<Message> {
  exchange: string | undefined;
  ready: Kept<Message>[];
  consumers: Set<Consumer<Message>>;
  deliveriesMax: number;
  ttlMs: number;
  hasDeadLetters: boolean;
  /** Undefined: that of the message. */
  deadLetterKey: string | undefined;
}

interface Consumer<Message> {
  options: FakeConsumerOptions<Message>;
  prefetch: number;
  channel: AbortController;
  owned: Set<Kept<Message>>;
}

export type Conclusion = "ack" | "requeue" | "reject";

/** The queues of a topology, all empty. `onSettled` hears how consumers settle their deliveries. */
export function createFakeBroker<Message>(
  { now, schedule }: Pick<FakeClock, "now" | "schedule">,
  specs: readonly QueueSpec[],
  onSettled: (how: Conclusion, message: Message) => void = () => {},
): FakeBroker<Message> {
  const queues = new Map(specs.map((spec) => [spec.name, queueOf<Message>(spec)]));
  let away = false;

  function find(name: string): Queue<Message> {
    const queue = queues.get(name);
    if (queue === undefined)
      throw new Fault("BROKER_UNAVAILABLE", "the queue of the message does not exist");
    return queue;
  }

  function findBehind(exchange: string): Queue<Message> {
    const queue = [...queues.values()].find((one) => one.exchange === exchange);
    if (queue === undefined) throw new Fault("BROKER_UNAVAILABLE", "there is no such exchange");
    return queue;
  }

  function publishTo(
    queue: Queue<Message>,
    routingKey: string,
    message: Message,
    expirationMs = Number.POSITIVE_INFINITY,
  ): void {
    enter(queue, { message, routingKey }, { ttlMs: Math.min(queue.ttlMs, expirationMs) });
  }

  function refuseWhileAway(): void {
    if (away) throw new Fault("BROKER_UNAVAILABLE", "there is no connection to the queue");
  }

  function enter(
    queue: Queue<Message>,
    published: Pick<Kept<Message>, "message" | "routingKey">,
    { ttlMs = queue.ttlMs, deliveryCount = 0 } = {},
  ): void {
    queue.ready.push({ ...published, deliveryCount, expiresAtMs: now() + ttlMs });
    if (ttlMs !== Number.POSITIVE_INFINITY) schedule(() => expire(queue), ttlMs);
    deliver(queue);
  }

  /** Only from the front: what waits longer holds back what is behind it. */
  function expire(queue: Queue<Message>): void {
    for (let [first] = queue.ready; first !== undefined; [first] = queue.ready) {
      if (first.expiresAtMs > now()) return;
      queue.ready.shift();
      bury(queue, first);
    }
  }

  function bury(queue: Queue<Message>, { message, routingKey }: Kept<Message>): void {
    if (!queue.hasDeadLetters) return;
    const key = queue.deadLetterKey ?? routingKey;
    publishTo(find(key), key, message);
  }

  function deliver(queue: Queue<Message>): void {
    if (away) return;
    for (const consumer of queue.consumers) {
      const { options, owned } = consumer;
      while (owned.size < consumer.prefetch) {
        const kept = queue.ready.shift();
        if (kept === undefined) return;
        owned.add(kept);
        options.onDelivery(deliveryOf(queue, consumer, kept));
      }
    }
  }

  /** Back in front, in order, one delivery more; too many of them make it a dead letter. */
  function giveBack(queue: Queue<Message>, returned: readonly Kept<Message>[]): void {
    const counted = returned.map((kept) => ({ ...kept, deliveryCount: kept.deliveryCount + 1 }));
    const isSpent = ({ deliveryCount }: Kept<Message>): boolean =>
      deliveryCount > queue.deliveriesMax;
    queue.ready.unshift(...counted.filter((kept) => !isSpent(kept)));
    for (const kept of counted.filter(isSpent)) bury(queue, kept);
    deliver(queue);
  }

  function loseChannel(queue: Queue<Message>, consumer: Consumer<Message>): void {
    const returned = [...consumer.owned];
    consumer.owned.clear();
    const { channel } = consumer;
    consumer.channel = new AbortController();
    channel.abort();
    giveBack(queue, returned);
  }

  function deliveryOf(
    queue: Queue<Message>,
    consumer: Consumer<Message>,
    kept: Kept<Message>,
  ): FakeDelivery<Message> {
    const { signal } = consumer.channel;
    const settle = (how: Conclusion, then: () => void) => (): boolean => {
      if (signal.aborted || !consumer.owned.delete(kept)) return false;
      onSettled(how, kept.message);
      then();
      deliver(queue);
      return true;
    };
    return {
      message: kept.message,
      deliveryCount: kept.deliveryCount,
      redelivered: kept.deliveryCount > 0,
      lost: signal,
      ack: settle("ack", () => {}),
      requeue: settle("requeue", () => giveBack(queue, [kept])),
      reject: settle("reject", () => bury(queue, kept)),
    };
  }

  function consume(options: FakeConsumerOptions<Message>): FakeConsumer {
    const queue = find(options.queue);
    const channel = new AbortController();
    const { prefetch } = options;
    const consumer: Consumer<Message> = { options, prefetch, channel, owned: new Set() };
    queue.consumers.add(consumer);
    deliver(queue);
    const setPrefetch = async (wanted: number): Promise<void> => {
      consumer.prefetch = wanted;
      deliver(queue);
    };
    return {
      setPrefetch,
      pause: () => setPrefetch(0),
      close: async () => {
        queue.consumers.delete(consumer);
        loseChannel(queue, consumer);
      },
    };
  }

  function loseAllChannels(): void {
    for (const queue of queues.values())
      for (const consumer of queue.consumers) loseChannel(queue, consumer);
  }

  return {
    publish: async (name, message, expirationMs) => {
      refuseWhileAway();
      publishTo(find(name), name, message, expirationMs);
    },
    publishThrough: async (exchange, routingKey, message, expirationMs) => {
      refuseWhileAway();
      publishTo(findBehind(exchange), routingKey, message, expirationMs);
    },
    put: (name, message, deliveryCount) =>
      enter(find(name), { message, routingKey: name }, { deliveryCount }),
    consume,
    ready: (name) => find(name).ready.map(({ message }) => message),
    owned: (name) => {
      const consumers = [...find(name).consumers];
      return consumers.reduce((sum, { owned }) => sum + owned.size, 0);
    },
    isAway: () => away,
    setAway: (isAway) => {
      away = isAway;
      if (away) loseAllChannels();
      else for (const queue of queues.values()) deliver(queue);
    },
    killConsumers: () => {
      for (const queue of queues.values()) {
        const dead = [...queue.consumers];
        queue.consumers.clear();
        for (const consumer of dead) loseChannel(queue, consumer);
      }
    },
  };
}

function queueOf<Message>({ arguments: args, exchange }: QueueSpec): Queue<Message> {
  const deadLetterKey = args["x-dead-letter-routing-key"];
  return {
    exchange,
    ready: [],
    consumers: new Set(),
    deliveriesMax: Number(args["x-delivery-limit"] ?? Number.POSITIVE_INFINITY),
    ttlMs: Number(args["x-message-ttl"] ?? Number.POSITIVE_INFINITY),
    hasDeadLetters: args["x-dead-letter-exchange"] !== undefined,
    deadLetterKey: deadLetterKey === undefined ? undefined : String(deadLetterKey),
  };
}
