import type { AmqpConnection } from "../../adapters/amqp/connection.ts";
import { createConsumer } from "../../adapters/amqp/consumer.ts";
import type { DepthReader } from "../../adapters/amqp/depth-reader.ts";
import {
  decodeMessage,
  decodeRequest,
  encodeDeadRequest,
  encodeRequest,
  encodeUnchanged,
  type IncomingMessage,
} from "../../adapters/amqp/messages.ts";
import { publishOrEnd } from "../../adapters/amqp/publish-request.ts";
import { createPublisher, type Publisher } from "../../adapters/amqp/publisher.ts";
import { takeReady } from "../../adapters/amqp/take-ready.ts";
import type { Metrics } from "../../core/metrics.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import type { Log } from "../../runtime/log.ts";
import { REFUSALS, type Signatures } from "../../adapters/amqp/signatures.ts";
import type { Topology } from "../../adapters/amqp/topology.ts";
import type { Config } from "../../core/config/schema.ts";
import type { CollectorPorts, DecodedDelivery, KeeperPorts } from "../ports.ts";

/** One: messages of two channels may overtake each other, and the dispatcher publishes in order. */
const PUBLISH_CHANNELS = 1;
const PUBLISH_MESSAGES_MAX = 200;
const PUBLISH_BYTES_MAX = 16 * 1024 * 1024;

/** Publishes with confirms, bounded in messages and bytes. */
export const openPublisher = (
  broker: AmqpConnection,
  { amqp }: Pick<Config, "amqp">,
  signatures: Signatures,
): Publisher =>
  createPublisher(broker, {
    channels: PUBLISH_CHANNELS,
    messagesMax: PUBLISH_MESSAGES_MAX,
    bytesMax: PUBLISH_BYTES_MAX,
    confirmTimeoutMs: amqp.confirm_timeout_ms,
    messageBytesMax: amqp.message_bytes_max,
    signatures,
  });

export interface CollectorBroker {
  consuming: AmqpConnection;
  publishing: AmqpConnection;
  publisher: Publisher;
  depths: Pick<DepthReader, "read">;
  /** As the configuration in force has them. */
  queues: () => Topology;
  prefetch: number;
  signatures: Pick<Signatures, "refusalOf">;
  metrics: Pick<Metrics, "collector_messages_refused_total">;
  log: Log;
}

/** What a collector takes from RabbitMQ and brings to it. */
export function messagePorts({
  consuming,
  publishing,
  publisher,
  depths,
  queues,
  prefetch,
  signatures,
  metrics,
  log,
}: CollectorBroker): Pick<CollectorPorts, "consumeResults" | "publishDeadRequest"> &
  Pick<KeeperPorts, "publishRequest" | "takePutOff" | "takeQueued" | "readyOf"> {
  /** What is wrong with the message; undefined: one of us wrote it. */
  function refuse(message: IncomingMessage): string | undefined {
    const cause = signatures.refusalOf(message);
    if (cause === undefined) return undefined;
    metrics.collector_messages_refused_total.add(1, cause);
    const { messageId, type } = message;
    log.error({ cause, request_id: String(messageId), type: String(type) }, "a message is refused");
    return REFUSALS[cause];
  }

  /** What is refused and what nobody can read goes to the dead letters as it is. */
  async function take(
    queue: string,
    limit: number,
    park: (requests: QueuedRequest[]) => Promise<void>,
  ): Promise<number> {
    return takeReady(publishing, queue, limit, async (messages) => {
      const requests: QueuedRequest[] = [];
      for (const message of messages) {
        if (refuse(message) !== undefined) {
          await publisher.publish(queues().requestsDead.name, encodeUnchanged(message));
          continue;
        }
        const decoded = decodeRequest(message);
        if (decoded.ok) {
          requests.push(decoded.request);
          continue;
        }
        // What a newer version wrote only that can read: it stays in its queue, at the end.
        const target = decoded.isNewer ? queue : queues().requestsDead.name;
        if (!decoded.isNewer)
          log.error({ reason: decoded.reason, queue }, "a message cannot be parked");
        await publisher.publish(target, encodeUnchanged(message));
      }
      await park(requests);
    });
  }

  return {
    consumeResults: async (onDelivery) =>
      createConsumer(consuming, {
        queue: queues().results.name,
        prefetch,
        onDelivery: (delivery) =>
          onDelivery({
            ...delivery,
            decoded: decode(delivery, refuse(delivery)),
            publishUnchanged: () =>
              publisher.publish(queues().results.name, encodeUnchanged(delivery)),
          }),
      }),
    publishDeadRequest: (request, error) =>
      publisher.publish(queues().requestsDead.name, encodeDeadRequest(request, error)),
    publishRequest: (request) =>
      publishOrEnd(publisher, queues().results.name, request, () =>
        publisher.publish(queues().requestsOf(request.head.model).name, encodeRequest(request)),
      ),
    takePutOff: (limit, park) => take(queues().parking.name, limit, park),
    takeQueued: (model, limit, park) => take(queues().requestsOf(model).name, limit, park),
    readyOf: async (models) => {
      const names = models.map((model) => queues().requestsOf(model).name);
      const found = await depths.read(names);
      return names.map((name) => found.get(name)?.ready ?? 0);
    },
  };
}

function decode(message: IncomingMessage, refused: string | undefined): DecodedDelivery {
  // Its id is a claim like the rest: it ends nothing.
  if (refused !== undefined) return { kind: "unreadable", what: "result", reason: refused };
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
