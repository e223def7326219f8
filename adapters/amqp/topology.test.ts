import { afterAll, beforeAll, expect, test } from "bun:test";
import type { AmqpConnection } from "./connection.ts";
import type { Delivery } from "./delivery.ts";
import { purge, queueDepths } from "./inspect.ts";
import { encodeRequest, decodeMessage } from "./messages.ts";
import { REQUEST, SIGNATURES } from "../../test/support/message-samples.ts";
import { createPublisher, type Publisher } from "./publisher.ts";
import { collectDeliveries, startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import { deleteQueues } from "../../local/stack/delete-queues.ts";
import { until } from "../../test/support/until.ts";
import { declareTopology, type QueueSpec, topology, TopologyMismatchError } from "./topology.ts";

let broker: TestBroker;
let connection: AmqpConnection;
let publisher: Publisher;

const OTHER = "org/other:7b";

beforeAll(async () => {
  broker = await startTestBroker([100, 60_000], [OTHER]);
  connection = await broker.connect();
  publisher = createPublisher(connection, {
    channels: 1,
    messagesMax: 100,
    bytesMax: 1_000_000,
    confirmTimeoutMs: 5_000,
    signatures: SIGNATURES,
  });
});
afterAll(async () => {
  await publisher.close();
  await broker.stop();
});

function waitExchange(delayMs: number): string {
  const wait = broker.queues.waits.find((candidate) => candidate.delayMs === delayMs);
  if (wait === undefined) throw new Error(`no delay of ${delayMs} ms`);
  return wait.exchange;
}

const namesOf = (queues: readonly QueueSpec[]): string[] => queues.map(({ name }) => name);

test("the default model keeps the queue of old, and every other model has one of its own", () => {
  const { requests, requestsOf, models } = topology({
    prefix: "p.",
    defaultModel: "chat",
    models: ["org/large:7b", "chat"],
    retryDelaysMs: [],
  });

  expect(requests.name).toBe("p.inference_requests");
  expect(models.map(({ model, queue }) => [model, queue.name])).toEqual([
    ["chat", "p.inference_requests"],
    ["org/large:7b", "p.inference_requests.model.org/large:7b"],
  ]);
  expect(requestsOf("chat")).toBe(requests);
  expect(requestsOf("removed").name).toBe("p.inference_requests.model.removed");
  expect(requestsOf("removed").arguments).toEqual(requests.arguments);
});

test("equal delays share a queue, however many models there are; those of before are not declared", () => {
  const { queues, waits, retriesOfBefore } = topology({
    prefix: "p.",
    defaultModel: "a",
    models: ["a", "b", "c"],
    retryDelaysMs: [100, 500, 100],
  });

  const names = ["p.inference_requests.wait.100", "p.inference_requests.wait.500"];
  expect(waits.map(({ exchange }) => exchange)).toEqual(names);
  expect(namesOf(queues).filter((name) => name.includes(".wait."))).toEqual(names);
  expect(retriesOfBefore).toEqual([
    { delayMs: 100, name: "p.inference_requests.retry.100" },
    { delayMs: 500, name: "p.inference_requests.retry.500" },
  ]);
  expect(namesOf(queues).filter((name) => name.includes(".retry."))).toEqual([]);
});

test("with the longest prefix and the longest name of a model the name of its queue is allowed", async () => {
  const prefix = broker.prefix.padEnd(64, "p");
  const { requestsOf } = topology({ prefix, defaultModel: "d", models: [], retryDelaysMs: [] });
  const queue = requestsOf("m".repeat(128));

  await declareTopology(connection.withChannel, [queue]);

  expect(await depthOf(queue.name)).toBe(0);
  await deleteQueues(connection.withChannel, [queue]);
});

test("every dead-letter target is declared before its source", () => {
  const names = namesOf(broker.queues.queues);

  for (const [index, queue] of broker.queues.queues.entries()) {
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

test("an exchange that exists as another kind is named, with what to do", async () => {
  const exchange = `${broker.prefix}foreign`;
  await connection.withChannel((channel) => channel.assertExchange(exchange, "direct"));

  const declared = declareTopology(connection.withChannel, [
    { ...broker.queues.results, exchange },
  ]);

  const error = await declared.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(TopologyMismatchError);
  expect(String(error)).toContain(`the exchange ${exchange} exists with other arguments`);
  expect(String(error)).toContain("inequivalent arg 'type'");
  await connection.withChannel((channel) => channel.deleteExchange(exchange));
});

test("a queue of which the configuration knows no more stays, with what waits in it", async () => {
  const { name } = broker.queues.requestsOf(OTHER);
  await publisher.publish(name, encodeRequest(REQUEST));
  const { prefix } = broker;

  const without = topology({ prefix, defaultModel: "default", models: [], retryDelaysMs: [] });
  await declareTopology(connection.withChannel, without.queues);

  expect(await depthOf(name)).toBe(1);
  expect(await purge(connection, name)).toBe(1);
});

test("a request comes back from a wait to its own model, each time it is published", async () => {
  const [other, requests] = [broker.queues.requestsOf(OTHER), broker.queues.requests].map(
    ({ name }) => ({ name, ...collectDeliveries(connection, name) }),
  );
  if (other === undefined || requests === undefined) throw new Error("no queues");
  const rounds = 4;
  const startedMs = performance.now();

  for (let attempt = 1; attempt <= rounds; attempt += 1) {
    for (const { name, deliveries } of [other, requests]) {
      const message = encodeRequest({ ...REQUEST, attempt });
      await publisher.publishThrough(waitExchange(100), name, message);
      await until(() => deliveries.length === attempt, 5_000);
      expect(deliveries[attempt - 1]?.ack()).toBe(true);
    }
  }

  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(2 * rounds * 100);
  expect(other.deliveries.map(attemptOf)).toEqual([1, 2, 3, 4]);
  expect(requests.deliveries.map(attemptOf)).toEqual([1, 2, 3, 4]);
  await Promise.all([other.consumer.close(), requests.consumer.close()]);
});

async function depthOf(queue: string): Promise<number | undefined> {
  return (await queueDepths(connection, [queue])).get(queue)?.ready;
}

function attemptOf(delivery: Delivery): number | undefined {
  const decoded = decodeMessage(delivery);
  return decoded.ok && decoded.kind === "request" ? decoded.request.attempt : undefined;
}
