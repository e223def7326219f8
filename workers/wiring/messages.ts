import type { AmqpConnection } from "../../adapters/amqp/connection.ts";
import { createConsumer } from "../../adapters/amqp/consumer.ts";
import type { DelayQueues } from "../../adapters/amqp/delay-queues.ts";
import {
  type DecodedRequest,
  decodeRequest,
  encodeDeadRequest,
  encodeRequest,
  encodeResult,
  encodeUnchanged,
  type IncomingMessage,
} from "../../adapters/amqp/messages.ts";
import { publishOrEnd } from "../../adapters/amqp/publish-request.ts";
import type { Publisher } from "../../adapters/amqp/publisher.ts";
import { REFUSALS, type Signatures } from "../../adapters/amqp/signatures.ts";
import type { Topology } from "../../adapters/amqp/topology.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import type { Gather } from "../../runtime/gather.ts";
import type { WorkerPorts } from "../ports.ts";

export interface WorkerBroker {
  consuming: AmqpConnection;
  publisher: Publisher;
  delays: DelayQueues;
  /** As the configuration in force has them. */
  queues: () => Topology;
  signatures: Pick<Signatures, "refusalOf">;
  /** Results that are ready close to each other are published together. */
  gatherResults: Gather;
}

/** What a worker takes from RabbitMQ and brings to it. */
export function messagePorts({
  consuming,
  publisher,
  delays,
  queues,
  signatures,
  gatherResults,
}: WorkerBroker): Pick<
  WorkerPorts,
  "consume" | "publishResult" | "publishAgain" | "publishPutOff" | "publishRetry" | "publishDead"
> {
  const queueOf = ({ head }: QueuedRequest): string => queues().requestsOf(head.model).name;

  const orEnd = (request: QueuedRequest, publish: () => Promise<void>): Promise<void> =>
    publishOrEnd(publisher, queues().results.name, request, publish);

  /** What is refused goes the way of what cannot be read: a collector counts it. */
  function decode(message: IncomingMessage): DecodedRequest {
    const cause = signatures.refusalOf(message);
    if (cause === undefined) return decodeRequest(message);
    return { ok: false, isNewer: false, reason: REFUSALS[cause] };
  }

  return {
    consume: async (model, prefetch, onDelivery) => {
      const queue = queues().requestsOf(model).name;
      return createConsumer(consuming, {
        queue,
        prefetch,
        onDelivery: (delivery) =>
          onDelivery({
            ...delivery,
            decoded: decode(delivery),
            publishUnchanged: () => publisher.publish(queue, encodeUnchanged(delivery)),
          }),
      });
    },
    publishResult: (result) =>
      gatherResults(() => publisher.publish(queues().results.name, encodeResult(result))),
    publishAgain: (request) =>
      orEnd(request, () => publisher.publish(queueOf(request), encodeRequest(request))),
    publishPutOff: (request) =>
      orEnd(request, () => publisher.publish(queues().parking.name, encodeRequest(request))),
    publishRetry: (request, { stepMs, expirationMs }) =>
      orEnd(request, () =>
        delays.into(stepMs, (exchange) =>
          publisher.publishThrough(exchange, queueOf(request), {
            ...encodeRequest(request),
            expirationMs,
          }),
        ),
      ),
    publishDead: (request, reason) =>
      publisher.publish(queues().requestsDead.name, encodeDeadRequest(request, reason)),
  };
}
