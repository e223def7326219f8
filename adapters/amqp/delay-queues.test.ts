import { afterAll, beforeAll, expect, test } from "bun:test";
import type { AmqpConnection } from "./connection.ts";
import { createDelayQueues, type DelayQueues } from "./delay-queues.ts";
import { queueDepths } from "./inspect.ts";
import { encodeRequest } from "./messages.ts";
import { requestOf, SIGNATURES } from "../../test/support/message-samples.ts";
import { createPublisher, type Publisher } from "./publisher.ts";
import { collectDeliveries, startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import { deleteQueues } from "../../local/stack/delete-queues.ts";
import { until } from "../../test/support/until.ts";
import { declareTopology, TopologyMismatchError, waitOf } from "./topology.ts";

let broker: TestBroker;
let connection: AmqpConnection;
let publisher: Publisher;
let delays: DelayQueues;

/** Of no configuration that was declared at the start. */
const DELAYS_MS = { first: 200, deleted: 300, unbound: 400, foreign: 500 };

beforeAll(async () => {
  broker = await startTestBroker([]);
  connection = await broker.connect();
  publisher = createPublisher(connection, {
    channels: 1,
    messagesMax: 100,
    bytesMax: 1_000_000,
    confirmTimeoutMs: 5_000,
    signatures: SIGNATURES,
  });
  delays = createDelayQueues(connection, { prefix: broker.prefix });
});
afterAll(async () => {
  await publisher.close();
  const waits = Object.values(DELAYS_MS).map((delayMs) => waitOf(broker.prefix, delayMs).queue);
  await deleteQueues(connection.withChannel, waits);
  await broker.stop();
});

const publish = (exchange: string): Promise<void> =>
  publisher.publishThrough(exchange, broker.queues.requests.name, encodeRequest(requestOf(10)));

test("a queue is there before the first message, which comes back after the delay", async () => {
  const { deliveries, consumer } = collectDeliveries(connection, broker.queues.requests.name);
  const startedMs = performance.now();

  await Promise.all([delays.into(DELAYS_MS.first, publish), delays.into(DELAYS_MS.first, publish)]);
  await until(() => deliveries.length === 2, 5_000);

  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(DELAYS_MS.first);
  for (const delivery of deliveries) delivery.ack();
  await consumer.close();
});

test.each([
  ["queue", DELAYS_MS.deleted],
  ["exchange", DELAYS_MS.unbound],
])("a wait whose %s somebody deleted is there again at the second try", async (what, delayMs) => {
  const { deliveries, consumer } = collectDeliveries(connection, broker.queues.requests.name);
  const { exchange, queue } = waitOf(broker.prefix, delayMs);
  await declareTopology(connection.withChannel, [queue]);
  await delays.into(delayMs, publish);
  await until(() => deliveries.length === 1, 5_000);
  await connection.withChannel<unknown>((channel) =>
    what === "queue" ? channel.deleteQueue(queue.name) : channel.deleteExchange(exchange),
  );

  const lost = await delays.into(delayMs, publish).catch((error: unknown) => error);
  await delays.into(delayMs, publish);

  expect(lost).toMatchObject({ code: "BROKER_UNAVAILABLE" });
  await until(() => deliveries.length === 2, 5_000);
  for (const delivery of deliveries) delivery.ack();
  await consumer.close();
});

test("a queue with other arguments is refused with its name, and nothing is published", async () => {
  const { name } = waitOf(broker.prefix, DELAYS_MS.foreign).queue;
  await connection.withChannel((channel) =>
    channel.assertQueue(name, { arguments: { "x-queue-type": "quorum" } }),
  );

  const error = await delays.into(DELAYS_MS.foreign, publish).catch((caught: unknown) => caught);

  expect(error).toBeInstanceOf(TopologyMismatchError);
  expect(String(error)).toContain(name);
  expect((await queueDepths(connection, [name])).get(name)?.ready).toBe(0);
});
