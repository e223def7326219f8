import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { AmqpConnection } from "../../adapters/amqp/connection.ts";
import { connectAmqp } from "../../adapters/amqp/connection.ts";
import { encodeRequest } from "../../adapters/amqp/messages.ts";
import { createPublisher } from "../../adapters/amqp/publisher.ts";
import { declareTopology, topology } from "../../adapters/amqp/topology.ts";
import { readShippedSettings } from "../../local/stack/settings.ts";
import { collectDeliveries } from "../support/broker.ts";
import { silentLog } from "../../runtime/log.ts";
import { requestOf, SIGNATURES } from "../support/message-samples.ts";
import {
  hasServerPrograms,
  type PrivateServers,
  startServersToWreck,
} from "../support/private-servers.ts";
import { until } from "../support/until.ts";

const START_LIMIT_MS = 180_000;
const queues = topology({ prefix: "", defaultModel: "model", models: [], retryDelaysMs: [] });
const { name: queue } = queues.requests;

// Where only containers run, no RabbitMQ can be told to look more often.
describe.skipIf(!hasServerPrograms())("a RabbitMQ with a consumer_timeout", () => {
  let servers: PrivateServers;
  let connection: AmqpConnection;

  beforeAll(async () => {
    servers = await startServersToWreck();
    connection = connectAmqp({
      url: servers.urls.amqp,
      heartbeatSeconds: 20,
      name: "test",
      log: silentLog,
    });
    await connection.whenUp(10_000);
    await declareTopology(connection.withChannel, queues.queues);
  }, START_LIMIT_MS);
  afterAll(async () => {
    await connection.close();
    await servers.remove();
  }, START_LIMIT_MS);

  /**
   * Holds for channels that are opened later. RabbitMQ looks at its channels once a minute if not told
   * otherwise.
   */
  async function setTimeouts({
    consumerMs,
    lookEveryMs,
  }: {
    consumerMs: number;
    lookEveryMs: number;
  }) {
    const set = (key: string, ms: number): string => `application:set_env(rabbit, ${key}, ${ms})`;
    await servers.rabbitmqctl(
      "eval",
      `${set("consumer_timeout", consumerMs)}, ${set("channel_tick_interval", lookEveryMs)}.`,
    );
  }

  /** Two deliveries of one consumer, the second two seconds younger than the first, and neither settled. */
  async function ownTwo() {
    const publisher = createPublisher(connection, {
      channels: 1,
      messagesMax: 10,
      bytesMax: 1_000_000,
      confirmTimeoutMs: 5_000,
      signatures: SIGNATURES,
    });
    const { deliveries, consumer } = collectDeliveries(connection, queue, { prefetch: 2 });
    await publisher.publish(queue, encodeRequest(requestOf(10)));
    await until(() => deliveries.length === 1, 5_000);
    await Bun.sleep(2_000);
    await publisher.publish(queue, encodeRequest(requestOf(10)));
    await until(() => deliveries.length === 2, 5_000);
    await publisher.close();
    return { deliveries, consumer };
  }

  test("gives a consumer as long as the configuration says, as we ship both", async () => {
    const written = await servers.rabbitmqctl(
      "eval",
      "application:get_env(rabbit, consumer_timeout).",
    );

    const { amqp } = await readShippedSettings();
    expect(written.trim()).toBe(
      `{ok,${String((amqp as Record<string, unknown>)["consumer_timeout_ms"])}}`,
    );
  });

  test("takes back a delivery that is owned for longer, and its younger neighbour too", async () => {
    await setTimeouts({ consumerMs: 3_000, lookEveryMs: 500 });
    const { deliveries, consumer } = await ownTwo();
    const [old, young] = deliveries;

    await until(() => deliveries.length === 4, 10_000);

    expect([old?.lost.aborted, young?.lost.aborted]).toEqual([true, true]);
    expect(deliveries.slice(2).map(({ deliveryCount }) => deliveryCount)).toEqual([1, 1]);
    for (const delivery of deliveries.slice(2)) delivery.ack();
    await consumer.close();
  }, 60_000);

  test("leaves one alone that is settled a little earlier, and its neighbour", async () => {
    await setTimeouts({ consumerMs: 5_000, lookEveryMs: 500 });
    const { deliveries, consumer } = await ownTwo();
    const [old, young] = deliveries;

    await Bun.sleep(2_000);
    const settled = [old?.ack()];
    await Bun.sleep(2_000);
    settled.push(young?.ack());

    expect(settled).toEqual([true, true]);
    await consumer.close();
    expect(deliveries).toHaveLength(2);
  }, 60_000);
});
