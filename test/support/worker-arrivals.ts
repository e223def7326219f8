import { topology } from "../../adapters/amqp/topology.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import type { Delivery, WorkerPorts } from "../../workers/ports.ts";
import { type FakeClock, untilIdle } from "./clock.ts";
import { type Conclusion, createFakeBroker } from "./fakes/broker.ts";
import { createFakeMessages, type FakeMessage } from "./fakes/messages.ts";

/** Whose requests come to a worker, unless a test says otherwise. */
export const USER = "user";

export interface FakeDelivery {
  /** What the worker did with it, in order. */
  conclusions: Conclusion[];
  loseChannel: () => void;
}

type FakeRequest = Partial<QueuedRequest> & {
  userId?: string;
  model?: string;
  createdAtMs?: number;
  expiresAtMs?: number;
};

/** How a message comes to the worker. */
export interface Arrival {
  request?: FakeRequest;
  /** The model whose queue it comes from; absent: its own. */
  from?: string;
  /** It cannot be read, by nobody or only by a newer version. */
  unreadable?: { isNewer: boolean };
  /** How often it came back before. */
  deliveryCount?: number;
  /** Absent: one of its own. */
  channel?: FakeChannel;
  publishUnchanged?: Delivery["publishUnchanged"];
}

/** A channel that deliveries came on. */
export interface FakeChannel {
  deliver: (message: FakeMessage, from: string, deliveryCount: number) => void;
  lose: () => void;
}

/** A consumer that the worker has. */
interface Subscribed {
  model: string;
  prefetch: number;
  onDelivery: (delivery: Delivery) => void;
}

export interface Arrivals {
  consume: WorkerPorts["consume"];
  /** What every consumer does; a test may make it fail. */
  consumer: { setPrefetch: () => Promise<void>; close: () => Promise<void> };
  /** The models that have consumers, and how many deliveries may be owned of each. */
  prefetches: () => Map<string, number>;
  newChannel: () => FakeChannel;
  deliver: (id: string, arrival?: Arrival) => Promise<FakeDelivery>;
}

function idOf(message: FakeMessage): string {
  if (message.kind === "unreadable") return message.requestId ?? "";
  return message.kind === "request"
    ? message.request.head.requestId
    : message.result.head.requestId;
}

/** Brings messages to the worker, each on a channel that can be lost alone. */
export function createArrivals(clock: FakeClock, events: string[]): Arrivals {
  const queues = topology({ prefix: "", defaultModel: "sim", models: [], retryDelaysMs: [] });
  const observed = new Map<string, { conclusions: Conclusion[]; arrival: Arrival }>();
  /** A model may have two for a while, on its old queue and its new one. */
  const subscribed = new Set<Subscribed>();
  const consumer = { setPrefetch: async () => {}, close: async () => {} };

  function consumerOf(model: string): Subscribed {
    const ofModel = [...subscribed].filter((one) => one.model === model);
    const found = ofModel.find(({ prefetch }) => prefetch > 0) ?? ofModel[0];
    if (found === undefined) throw new Error(`nobody consumes ${model}`);
    return found;
  }

  function newChannel(): FakeChannel {
    const { name } = queues.requests;
    const broker = createFakeBroker<FakeMessage>(clock, queues.queues, (how, message) => {
      const id = idOf(message);
      events.push(`${how} ${id}`);
      observed.get(id)?.conclusions.push(how);
    });
    let arriving: { id: string; onDelivery: (delivery: Delivery) => void } | undefined;
    const { consume } = createFakeMessages(broker, queues).worker;
    void consume("sim", Number.POSITIVE_INFINITY, (delivery) => {
      // What this worker has given back other workers take.
      if (arriving === undefined) return;
      const { id, onDelivery } = arriving;
      const unchanged = async (): Promise<void> => void events.push(`unchanged ${id}`);
      const { publishUnchanged = unchanged } = observed.get(id)?.arrival ?? {};
      onDelivery({ ...delivery, publishUnchanged });
    });
    return {
      deliver: (message, from, deliveryCount) => {
        const { onDelivery } = consumerOf(from);
        arriving = { id: idOf(message), onDelivery };
        broker.put(name, message, deliveryCount);
        arriving = undefined;
      },
      lose: () => broker.setAway(true),
    };
  }

  async function deliver(id: string, arrival: Arrival = {}): Promise<FakeDelivery> {
    const { request, unreadable, deliveryCount = 0, channel = newChannel() } = arrival;
    const conclusions: Conclusion[] = [];
    observed.set(id, { conclusions, arrival });
    channel.deliver(
      unreadable === undefined
        ? { kind: "request", request: queuedRequest(id, clock.now(), request) }
        : { kind: "unreadable", type: "request", requestId: id, ...unreadable },
      arrival.from ?? request?.model ?? "m",
      deliveryCount,
    );
    await untilIdle();
    return { conclusions, loseChannel: channel.lose };
  }

  return {
    consume: async (model, prefetch, onDelivery) => {
      const one: Subscribed = { model, prefetch, onDelivery };
      subscribed.add(one);
      return {
        async setPrefetch(next) {
          events.push(`prefetch ${model} ${next}`);
          await consumer.setPrefetch();
          one.prefetch = next;
        },
        async close() {
          events.push(`close ${model}`);
          await consumer.close();
          subscribed.delete(one);
        },
      };
    },
    consumer,
    prefetches: () => {
      const found = new Map<string, number>();
      for (const { model, prefetch } of subscribed)
        found.set(model, (found.get(model) ?? 0) + prefetch);
      return found;
    },
    newChannel,
    deliver,
  };
}

function queuedRequest(
  id: string,
  nowMs: number,
  {
    userId = USER,
    model = "m",
    createdAtMs = nowMs,
    expiresAtMs = nowMs + 60_000,
    ...request
  }: FakeRequest = {},
): QueuedRequest {
  return {
    head: {
      requestId: id,
      userId,
      model,
      windowDay: "2026-11-21",
      estimatedTokens: 100,
      createdAtMs,
      expiresAtMs,
    },
    attempt: 1,
    payload: new Uint8Array(),
    ...request,
  };
}
