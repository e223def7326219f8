import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { collectDeliveries, startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import { requestOf, SIGNATURES } from "../../test/support/message-samples.ts";
import { startTcpProxy } from "../../test/support/tcp-proxy.ts";
import { until } from "../../test/support/until.ts";
import { Fault } from "../../core/faults.ts";
import type { AmqpConnection } from "./connection.ts";
import { browse, purge, queueDepths } from "./inspect.ts";
import { encodeRequest } from "./messages.ts";
import { createPublisher, type Publisher } from "./publisher.ts";
import { type TakenMessage, takeReady } from "./take-ready.ts";

let broker: TestBroker;
let connection: AmqpConnection;
let publisher: Publisher;
let parking: string;

beforeAll(async () => {
  broker = await startTestBroker([]);
  connection = await broker.connect();
  publisher = createPublisher(connection, {
    channels: 1,
    messagesMax: 500,
    bytesMax: 10_000_000,
    confirmTimeoutMs: 5_000,
    signatures: SIGNATURES,
  });
  parking = broker.queues.parking.name;
});
afterEach(() => purge(connection, parking));
afterAll(async () => {
  await publisher.close();
  await broker.stop();
});

async function publish(count: number): Promise<string[]> {
  const messages = Array.from({ length: count }, () => encodeRequest(requestOf(10)));
  await Promise.all(messages.map((message) => publisher.publish(parking, message)));
  return messages.map(({ messageId }) => messageId);
}

async function ready(): Promise<number | undefined> {
  return (await queueDepths(connection, [parking])).get(parking)?.ready;
}

test("messages are taken in order, in one batch, no more than the limit, and are gone", async () => {
  const ids = await publish(30);
  const batches: TakenMessage[][] = [];

  const taken = await takeReady(connection, parking, 20, async (messages) => {
    batches.push(messages);
  });

  expect(taken).toBe(20);
  expect(batches.map((batch) => batch.map(({ messageId }) => messageId))).toEqual([
    ids.slice(0, 20),
  ]);
  expect(batches[0]?.[0]?.timestampMs).toBeGreaterThan(1_700_000_000_000);
  expect(await ready()).toBe(10);
});

test("what is being handled when the connection is lost is in its queue again", async () => {
  const proxy = await startTcpProxy(broker.url);
  const cut = await broker.connect({ url: proxy.url });
  await publish(5);
  const during: unknown[] = [];

  const failed = await takeReady(cut, parking, 5, async () => {
    during.push(await ready());
    proxy.cut();
    await until(() => cut.state() === "down", 5_000);
  }).catch((error: unknown) => error);

  expect(during).toEqual([0]);
  expect(failed).toMatchObject({ code: "BROKER_UNAVAILABLE" });
  await until(async () => (await ready()) === 5, 5_000);
  await proxy.stop();
});

test("a batch that cannot be handled is back in its place, counted, and the caller learns why", async () => {
  const ids = await publish(5);

  const failed = await takeReady(connection, parking, 3, async () => {
    throw new Fault("STORE_UNAVAILABLE", "the database is away");
  }).catch((error: unknown) => error);

  expect(failed).toMatchObject({ code: "STORE_UNAVAILABLE" });
  await until(async () => (await ready()) === 5, 2_000);
  const found = await browse(connection, parking, { limit: 10 });
  expect(found.map(({ messageId }) => messageId)).toEqual(ids);
  expect(found.map(({ deliveryCount }) => deliveryCount)).toEqual([1, 1, 1, 0, 0]);
});

test("nothing is handed over of an empty queue, nor of one that is not there", async () => {
  const handle = (): Promise<void> => Promise.reject(new Error("there is nothing"));

  expect(await takeReady(connection, parking, 10, handle)).toBe(0);
  expect(await takeReady(connection, `${parking}.absent`, 10, handle)).toBe(0);
});

test("beside a consumer it takes what is left, and each message goes to one of them", async () => {
  const { deliveries, consumer } = collectDeliveries(connection, parking, { prefetch: 10 });
  await until(
    async () => (await queueDepths(connection, [parking])).get(parking)?.consumers === 1,
    5_000,
  );
  const taken: TakenMessage[] = [];
  const ids = await publish(200);

  const count = await takeReady(connection, parking, 500, async (messages) => {
    taken.push(...messages);
  });

  expect([count, deliveries.length]).toEqual([190, 10]);
  const seen = [...taken, ...deliveries].map(({ messageId }) => String(messageId));
  expect(seen.toSorted()).toEqual(ids.toSorted());
  for (const delivery of deliveries) delivery.ack();
  await consumer.close();
});
