import type { AmqpConnection } from "../../adapters/amqp/connection.ts";
import { createConsumer } from "../../adapters/amqp/consumer.ts";
import {
  decodeMessage,
  encodeDeadRequest,
  encodeRequest,
  encodeUnchanged,
  type IncomingMessage,
} from "../../adapters/amqp/messages.ts";
import type { Publisher } from "../../adapters/amqp/publisher.ts";
import type { Topology } from "../../adapters/amqp/topology.ts";
import type { CollectorPorts, DecodedDelivery, KeeperPorts } from "../ports.ts";

export interface CollectorBroker {
  consuming: AmqpConnection;
  publisher: Publisher;
  queues: Topology;
  prefetch: number;
}

/** What a collector takes from RabbitMQ and brings to it. */
export function messagePorts({
  consuming,
  publisher,
  queues,
  prefetch,
}: CollectorBroker): Pick<CollectorPorts, "consumeResults" | "publishDeadRequest"> &
  Pick<KeeperPorts, "publishRequest"> {
  return {
    consumeResults: async (onDelivery) =>
      createConsumer(consuming, {
        queue: queues.results.name,
        prefetch,
        onDelivery: (delivery) =>
          onDelivery({
            ...delivery,
            decoded: decode(delivery),
            publishUnchanged: () =>
              publisher.publish(queues.results.name, encodeUnchanged(delivery)),
          }),
      }),
    publishDeadRequest: (request, error) =>
      publisher.publish(queues.requestsDead.name, encodeDeadRequest(request, error)),
    publishRequest: (request) => publisher.publish(queues.requests.name, encodeRequest(request)),
  };
}

function decode(message: IncomingMessage): DecodedDelivery {
  const decoded = decodeMessage(message);
  if (!decoded.ok) {
    const { requestId, reason, isNewer } = decoded;
    if (isNewer) return { kind: "newer", reason };
    const what = message.type === "request" ? "request" : "result";
    return { kind: "unreadable", what, reason, ...(requestId === undefined ? {} : { requestId }) };
  }
  return decoded.kind === "result"
    ? { kind: "result", result: decoded.result }
    : { kind: "poisoned-request", request: decoded.request };
}
