import { afterAll, beforeAll, expect, test } from "bun:test";

import type { AmqpConnection } from "./connection.ts";
import { createDelayQueues, type DelayQueues } from "./delay-queues.ts";
import { queueDepths } from "./inspect.ts";
import { encodeRequest } from "./messages.ts";
import { requestOf } from "../../test/support/message-samples.ts";
import { createPublisher, type Publisher } from "./publisher.ts";
import { collectDeliveries, startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import { until } from "../../test/support/until.ts";
import { TopologyMismatchError } from "./topology.ts";

let broker: TestBroker;
let connection: AmqpConnection;
let publisher: Publisher;
let delays: DelayQueues;

/** Of no configuration that was declared at the start. */
const DELAYS_MS = { first: 200, deleted: 300, reloaded: 400, foreign: 500 };

beforeAll(async () => {
  broker = await startTestBroker([]);
  connection = await broker.connect();
  publisher = createPublisher(connection, {
    channels: 1,
    messagesMax: 100,
    bytesMax: 1_000_000,
    confirmTimeoutMs: 5_000,
  });
  delays = createDelayQueues(connection, { prefix: prefixOf(broker) });
});
afterAll(async () => {
  await publisher.close();
  for (const delayMs of Object.values(DELAYS_MS))
    await connection.withChannel((channel) => channel.deleteQueue(nameOf(delayMs)));
  await broker.stop();
});

const prefixOf = ({ queues }: TestBroker): string =>
  queues.requests.name.slice(0, -"inference_requests".length);
const nameOf = (delayMs: number): string => `${broker.queues.requests.name}.retry.${delayMs}`;
const publish = (queue: string): Promise<void> =>
  publisher.publish(queue, encodeRequest(requestOf(10)));

test("a queue is there before the first message, which comes back after the delay", async () => {
  const { deliveries, consumer } = collectDeliveries(connection, broker.queues.requests.name);
  const startedMs = performance.now();

  await Promise.all([delays.into(DELAYS_MS.first, publish), delays.into(DELAYS_MS.first, publish)]);
  await until(() => deliveries.length === 2, 5_000);

  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(DELAYS_MS.first);
  for (const delivery of deliveries) delivery.ack();
  await consumer.close();
});

test("a queue that somebody deleted is there again at the second try", async () => {
  const { deliveries, consumer } = collectDeliveries(connection, broker.queues.requests.name);
  const { deleted } = DELAYS_MS;
  await delays.declare([deleted]);
  await connection.withChannel((channel) => channel.deleteQueue(nameOf(deleted)));

  const lost = delays.into(deleted, publish);
  expect(lost).rejects.toMatchObject({ code: "BROKER_UNAVAILABLE" });
  await lost.catch(() => {});
  await delays.into(deleted, publish);

  await until(() => deliveries.length === 1, 5_000);
  deliveries[0]?.ack();
  await consumer.close();
});

test("a reload's queues can be declared before they are needed; existing ones are left alone", async () => {
  const name = nameOf(DELAYS_MS.reloaded);

  await delays.declare([DELAYS_MS.reloaded, DELAYS_MS.reloaded, DELAYS_MS.first]);

  expect((await queueDepths(connection, [name])).get(name)).toEqual({ ready: 0, consumers: 0 });
});

test("a queue with other arguments is refused with its name, and nothing is published", async () => {
  const { foreign } = DELAYS_MS;
  await connection.withChannel((channel) =>
    channel.assertQueue(nameOf(foreign), { arguments: { "x-queue-type": "quorum" } }),
  );

  const error = await delays.into(foreign, publish).catch((caught: unknown) => caught);

  expect(error).toBeInstanceOf(TopologyMismatchError);
  expect(String(error)).toContain(nameOf(foreign));
  expect((await queueDepths(connection, [nameOf(foreign)])).get(nameOf(foreign))?.ready).toBe(0);
});
