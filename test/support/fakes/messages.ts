import type { Topology } from "../../../adapters/amqp/topology.ts";
import type { CollectorPorts, DecodedDelivery, KeeperPorts } from "../../../collector/ports.ts";
import type { QueuedRequest, QueuedResult } from "../../../core/request/messages.ts";
import type { GatewayPorts } from "../../../gateway/ports.ts";
import type { Delivery, WorkerPorts } from "../../../workers/ports.ts";
import type { FakeBroker } from "./broker.ts";

/** A message as it travels through the fake broker: in plain words instead of headers. */
export type FakeMessage =
  | { kind: "request"; request: QueuedRequest }
  | { kind: "result"; result: QueuedResult }
  /** `type`: what it says that it is. */
  | { kind: "unreadable"; type: "request" | "result"; isNewer: boolean; requestId?: string };

/** The ports of the services that RabbitMQ stands behind. */
export interface MessagePorts {
  gateway: Pick<GatewayPorts, "publish" | "brokerUp">;
  worker: Pick<
    WorkerPorts,
    "consume" | "publishResult" | "publishAgain" | "publishPutOff" | "publishRetry" | "publishDead"
  >;
  /** `consumeResults` with at most so many deliveries owned at once. */
  collector: (
    prefetch: number,
  ) => Pick<CollectorPorts, "consumeResults" | "publishDeadRequest"> &
    Pick<KeeperPorts, "publishRequest">;
}

const UNREADABLE = "it cannot be read";

/** Messages between the services without RabbitMQ. The delay queues are those of the topology. */
export function createFakeMessages(
  broker: FakeBroker<FakeMessage>,
  queues: Topology,
): MessagePorts {
  const { requestsOf, parking, results, requestsDead, waits } = queues;
  const queueOf = ({ head }: QueuedRequest): string => requestsOf(head.model).name;
  const publishRequest = (request: QueuedRequest): Promise<void> =>
    broker.publish(queueOf(request), { kind: "request", request });

  return {
    gateway: { publish: publishRequest, brokerUp: () => !broker.isAway() },
    worker: {
      consume: async (model, prefetch, onDelivery) => {
        const queue = requestsOf(model).name;
        return broker.consume({
          queue,
          prefetch,
          onDelivery: ({ message, ...delivery }) =>
            onDelivery({
              ...delivery,
              decoded: decodeRequest(message),
              publishUnchanged: () => broker.publish(queue, message),
            }),
        });
      },
      publishResult: (result) => broker.publish(results.name, { kind: "result", result }),
      publishAgain: publishRequest,
      publishPutOff: (request) => broker.publish(parking.name, { kind: "request", request }),
      publishRetry: async (request, { stepMs, expirationMs }) => {
        const wait = waits.find(({ delayMs }) => delayMs === stepMs);
        if (wait === undefined) throw new Error(`the topology has no delay of ${stepMs} ms`);
        const message: FakeMessage = { kind: "request", request };
        await broker.publishThrough(wait.exchange, queueOf(request), message, expirationMs);
      },
      publishDead: (request) => broker.publish(requestsDead.name, { kind: "request", request }),
    },
    collector: (prefetch) => ({
      consumeResults: async (onDelivery) =>
        broker.consume({
          queue: results.name,
          prefetch,
          onDelivery: ({ message, ...delivery }) =>
            onDelivery({
              ...delivery,
              decoded: decodeResult(message),
              publishUnchanged: () => broker.publish(results.name, message),
            }),
        }),
      publishDeadRequest: (request) =>
        broker.publish(requestsDead.name, { kind: "request", request }),
      publishRequest,
    }),
  };
}

type DecodedRequest = Delivery["decoded"];

function decodeRequest(message: FakeMessage): DecodedRequest {
  switch (message.kind) {
    case "request":
      return { ok: true, request: message.request };
    case "result":
      return { ok: false, isNewer: false, reason: UNREADABLE };
    case "unreadable":
      return { ok: false, isNewer: message.isNewer, reason: UNREADABLE };
  }
}

function decodeResult(message: FakeMessage): DecodedDelivery {
  switch (message.kind) {
    case "request":
      return { kind: "poisoned-request", request: message.request };
    case "result":
      return message;
    case "unreadable": {
      const { type: what, isNewer, requestId } = message;
      if (isNewer) return { kind: "newer", reason: UNREADABLE };
      const named = requestId === undefined ? {} : { requestId };
      return { kind: "unreadable", what, reason: UNREADABLE, ...named };
    }
  }
}
