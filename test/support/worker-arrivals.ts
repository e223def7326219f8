import { topology } from "../../adapters/amqp/topology.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import type { Delivery } from "../../workers/ports.ts";
import { type FakeClock, untilIdle } from "./clock.ts";
import { type Conclusion, createFakeBroker } from "./fakes/broker.ts";
import { createFakeMessages, type FakeMessage } from "./fakes/messages.ts";

/** Whose requests come to a worker. */
export const USER = "user";

export interface FakeDelivery {
  /** What the worker did with it, in order. */
  conclusions: Conclusion[];
  loseChannel: () => void;
}

type FakeRequest = Partial<QueuedRequest> & {
  model?: string;
  createdAtMs?: number;
  expiresAtMs?: number;
};

/** How a message comes to the worker. */
export interface Arrival {
  request?: FakeRequest;
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
  deliver: (message: FakeMessage, deliveryCount: number) => void;
  lose: () => void;
}

function idOf(message: FakeMessage): string {
  if (message.kind === "unreadable") return message.requestId ?? "";
  return message.kind === "request"
    ? message.request.head.requestId
    : message.result.head.requestId;
}

/** Brings messages to the worker, each on a channel that can be lost alone. */
export function createArrivals(clock: FakeClock, events: string[]) {
  const queues = topology({ prefix: "", defaultModel: "sim", models: [], retryDelaysMs: [] });
  const observed = new Map<string, { conclusions: Conclusion[]; arrival: Arrival }>();
  let onDelivery: (delivery: Delivery) => void = () => {};

  function newChannel(): FakeChannel {
    const { name } = queues.requests;
    const broker = createFakeBroker<FakeMessage>(clock, queues.queues, (how, message) => {
      const id = idOf(message);
      events.push(`${how} ${id}`);
      observed.get(id)?.conclusions.push(how);
    });
    let arriving: string | undefined;
    const { consume } = createFakeMessages(broker, queues).worker;
    void consume((delivery) => {
      const id = arriving;
      // What this worker has given back other workers take.
      if (id === undefined) return;
      const unchanged = async (): Promise<void> => void events.push(`unchanged ${id}`);
      const { publishUnchanged = unchanged } = observed.get(id)?.arrival ?? {};
      onDelivery({ ...delivery, publishUnchanged });
    }, Number.POSITIVE_INFINITY);
    return {
      deliver: (message, deliveryCount) => {
        arriving = idOf(message);
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
      deliveryCount,
    );
    await untilIdle();
    return { conclusions, loseChannel: channel.lose };
  }

  return {
    newChannel,
    deliver,
    onDelivery: (listener: (delivery: Delivery) => void): void => {
      onDelivery = listener;
    },
  };
}

function queuedRequest(
  id: string,
  nowMs: number,
  { model = "m", createdAtMs = nowMs, expiresAtMs = nowMs + 60_000, ...request }: FakeRequest = {},
): QueuedRequest {
  return {
    head: {
      requestId: id,
      userId: USER,
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
