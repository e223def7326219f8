import { afterAll, beforeAll, expect, test } from "bun:test";
import { createConsumer } from "./consumer.ts";
import type { AmqpConnection } from "./connection.ts";
import type { Delivery } from "./delivery.ts";
import { browse, queueDepths } from "./inspect.ts";
import { encodeRequest, decodeMessage } from "./messages.ts";
import { REQUEST } from "../../test/support/message-samples.ts";
import { createPublisher, type Publisher } from "./publisher.ts";
import { collectDeliveries, startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import { until } from "../../test/support/until.ts";
import { declareTopology, topology, TopologyMismatchError } from "./topology.ts";

let broker: TestBroker;
let connection: AmqpConnection;
let publisher: Publisher;

beforeAll(async () => {
  broker = await startTestBroker([100, 60_000]);
  connection = await broker.connect();
  publisher = createPublisher(connection, {
    channels: 1,
    messagesMax: 100,
    bytesMax: 1_000_000,
    confirmTimeoutMs: 5_000,
  });
});
afterAll(async () => {
  await publisher.close();
  await broker.stop();
});

function retryQueue(delayMs: number): string {
  const retry = broker.queues.retries.find((candidate) => candidate.delayMs === delayMs);
  if (retry === undefined) throw new Error(`no delay of ${delayMs} ms`);
  return retry.queue.name;
}

test("equal delays share a queue, and every dead-letter target is declared before its source", () => {
  const { queues, retries } = topology({ prefix: "p.", retryDelaysMs: [100, 500, 100] });

  expect(retries.map((retry) => retry.queue.name)).toEqual([
    "p.inference_requests.retry.100",
    "p.inference_requests.retry.500",
  ]);
  const names = queues.map((queue) => queue.name);
  for (const [index, queue] of queues.entries()) {
    const target = queue.arguments["x-dead-letter-routing-key"] ?? queue.name;
    expect(names.indexOf(String(target))).toBeLessThanOrEqual(index);
  }
});

test("declaring again changes nothing and passes", async () => {
  await declareTopology(connection.withChannel, broker.queues.queues);
});

test("a queue that exists with other arguments is named, with what differs and what to do", async () => {
  const { name, arguments: was } = broker.queues.requests;
  const changed = { name, arguments: { ...was, "x-delivery-limit": 3 } };

  const declared = declareTopology(connection.withChannel, [changed]);

  const error = await declared.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(TopologyMismatchError);
  expect(String(error)).toContain(name);
  expect(String(error)).toContain("inequivalent arg 'x-delivery-limit'");
  expect(String(error)).toContain("drain and delete it");
});

test("a request comes back from a delay queue after its delay, each time it is published", async () => {
  const { deliveries, consumer } = collectDeliveries(connection, broker.queues.requests.name);
  const rounds = 4;
  const startedMs = performance.now();

  for (let attempt = 1; attempt <= rounds; attempt += 1) {
    await publisher.publish(retryQueue(100), encodeRequest({ ...REQUEST, attempt }));
    await until(() => deliveries.length === attempt, 5_000);
    const delivery = deliveries[attempt - 1];
    expect(delivery?.ack()).toBe(true);
  }

  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(rounds * 100);
  expect(deliveries.map(attemptOf)).toEqual([1, 2, 3, 4]);
  await consumer.close();
});

test("a message may come back before the delay of its queue", async () => {
  const { deliveries, consumer } = collectDeliveries(connection, broker.queues.requests.name);

  await publisher.publish(retryQueue(60_000), { ...encodeRequest(REQUEST), expirationMs: 50 });

  await until(() => deliveries.length === 1, 5_000);
  deliveries[0]?.ack();
  await consumer.close();
});

test("a request that keeps coming back unacknowledged ends in inference_results, readable", async () => {
  await publisher.publish(broker.queues.requests.name, encodeRequest(REQUEST));
  let requeued = 0;
  const consumer = createConsumer(connection, {
    queue: broker.queues.requests.name,
    prefetch: 1,
    onDelivery: (delivery) => {
      requeued += 1;
      delivery.requeue();
    },
  });
  const results = collectDeliveries(connection, broker.queues.results.name);

  await until(() => results.deliveries.length === 1, 10_000);

  const [delivery] = results.deliveries;
  expect(requeued).toBe(21);
  expect(delivery && decodeMessage(delivery)).toMatchObject({
    ok: true,
    kind: "request",
    request: REQUEST,
  });
  expect(delivery?.headers["x-death"]).toMatchObject([{ reason: "delivery_limit" }]);
  delivery?.ack();
  await consumer.close();
  await results.consumer.close();
});

test("a result that is rejected ends in inference_results.dead", async () => {
  const { results, resultsDead } = broker.queues;
  await publisher.publish(results.name, { ...encodeRequest(REQUEST), type: "result" });
  const { deliveries, consumer } = collectDeliveries(connection, results.name);
  await until(() => deliveries.length === 1, 5_000);

  deliveries[0]?.reject();

  await until(async () => (await depthOf(resultsDead.name)) === 1, 5_000);
  const [dead] = await browse(connection, resultsDead.name, { limit: 10 });
  expect(dead?.messageId).toBe(REQUEST.head.requestId);
  await consumer.close();
});

async function depthOf(queue: string): Promise<number | undefined> {
  return (await queueDepths(connection, [queue])).get(queue)?.ready;
}

function attemptOf(delivery: Delivery): number | undefined {
  const decoded = decodeMessage(delivery);
  return decoded.ok && decoded.kind === "request" ? decoded.request.attempt : undefined;
}
