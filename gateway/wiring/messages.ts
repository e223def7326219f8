import type { AmqpConnection } from "../../adapters/amqp/connection.ts";
import { encodeRequest } from "../../adapters/amqp/messages.ts";
import { publishOrEnd } from "../../adapters/amqp/publish-request.ts";
import { createPublisher, type Publisher } from "../../adapters/amqp/publisher.ts";
import type { Signatures } from "../../adapters/amqp/signatures.ts";
import type { Topology } from "../../adapters/amqp/topology.ts";
import type { Config } from "../../core/config/schema.ts";
import type { GatewayPorts } from "../ports.ts";

/**
 * One confirms 31,000 messages of 1 KB a second, far above what a gateway accepts; more cost every message.
 */
const CHANNELS = 1;

/** Publishes with confirms, bounded in messages and bytes. */
export const openPublisher = (
  broker: AmqpConnection,
  { gateway, amqp }: Config,
  signatures: Signatures,
): Publisher =>
  createPublisher(broker, {
    channels: CHANNELS,
    messagesMax: gateway.publish_messages_max,
    bytesMax: gateway.publish_bytes_max,
    confirmTimeoutMs: amqp.confirm_timeout_ms,
    messageBytesMax: amqp.message_bytes_max,
    signatures,
  });

/** What a gateway brings to RabbitMQ. `queues` are as the configuration in force has them. */
export const messagePorts = (
  broker: AmqpConnection,
  publisher: Publisher,
  queues: () => Topology,
): Pick<GatewayPorts, "publish" | "brokerUp"> => ({
  publish: (request) =>
    publishOrEnd(publisher, queues().results.name, request, () =>
      publisher.publish(queues().requestsOf(request.head.model).name, encodeRequest(request)),
    ),
  brokerUp: () => broker.state() === "up",
});
