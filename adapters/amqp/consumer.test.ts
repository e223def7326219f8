import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { startTcpProxy, type TcpProxy } from "../../test/support/tcp-proxy.ts";
import type { AmqpConnection } from "./connection.ts";
import type { Delivery } from "./delivery.ts";
import { purge, queueDepths } from "./inspect.ts";
import { encodeRequest, encodeUnchanged } from "./messages.ts";
import { requestOf, SIGNATURES } from "../../test/support/message-samples.ts";
import { createPublisher, type Publisher } from "./publisher.ts";
import { collectDeliveries, startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import { until } from "../../test/support/until.ts";

let broker: TestBroker;
let proxy: TcpProxy;
let observer: AmqpConnection;
let publisher: Publisher;
let queue: string;

const PREFETCH_MAX = 40;

beforeAll(async () => {
  broker = await startTestBroker([]);
  proxy = await startTcpProxy(broker.url);
  observer = await broker.connect();
  publisher = createPublisher(observer, {
    channels: 1,
    messagesMax: 100,
    bytesMax: 1_000_000,
    confirmTimeoutMs: 5_000,
    signatures: SIGNATURES,
  });
  queue = broker.queues.requests.name;
});
afterEach(async () => {
  proxy.heal();
  await purge(observer, queue);
});
afterAll(async () => {
  await publisher.close();
  await broker.stop();
  await proxy.stop();
});

async function publish(count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, () => publisher.publish(queue, encodeRequest(requestOf(10)))),
  );
}

async function depth(): Promise<{ ready: number; consumers: number } | null | undefined> {
  return (await queueDepths(observer, [queue])).get(queue);
}

test("a delivery published again unchanged is the same message, never delivered before", async () => {
  const { deliveries, consumer } = collectDeliveries(observer, queue);
  const headers = { version: 9, text: "é", flag: true, nothing: null, list: [1, { two: 2.5 }] };
  await publisher.publish(queue, { ...encodeRequest(requestOf(10)), type: "novelty", headers });
  await until(() => deliveries.length === 1, 5_000);
  deliveries[0]?.requeue();
  await until(() => deliveries.length === 2, 5_000);
  const [, second] = deliveries;
  if (second === undefined) throw new Error("nothing was delivered");

  await publisher.publish(queue, encodeUnchanged(second));
  second.ack();

  await until(() => deliveries.length === 3, 5_000);
  const [first, , third] = deliveries;
  expect(second).toMatchObject({ deliveryCount: 1, redelivered: true });
  expect(third).toMatchObject({ deliveryCount: 0, redelivered: false, headers, type: "novelty" });
  expect(third?.body).toEqual(second.body);
  expect([third?.messageId, third?.timestampMs]).toEqual([first?.messageId, first?.timestampMs]);
  third?.ack();
  await consumer.close();
});

test("what was acked just before the consumer is closed stays acked", async () => {
  const { deliveries, consumer } = collectDeliveries(observer, queue);
  await publish(4);
  await until(() => deliveries.length === 4, 5_000);

  for (const delivery of deliveries.slice(0, 2)) delivery.ack();
  // Within the time in which acks are gathered after others.
  await Bun.sleep(1);
  deliveries[2]?.ack();
  await consumer.close();

  await until(async () => (await depth())?.ready === 1, 2_000);
});

test("a paused consumer gets nothing, can settle what it has, and goes on when it may", async () => {
  const { deliveries, consumer } = collectDeliveries(observer, queue);
  await publish(1);
  await until(() => deliveries.length === 1, 5_000);

  await consumer.pause();
  await publish(5);
  expect(await depth()).toMatchObject({ ready: 5 });
  expect(deliveries).toHaveLength(1);
  expect(deliveries[0]?.ack()).toBe(true);
  await consumer.setPrefetch(100);

  await until(() => deliveries.length === 6, 5_000);
  for (const delivery of deliveries) delivery.ack();
  await consumer.close();
});

test("a consumer that is paused stays so over a reconnect", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const { deliveries, consumer } = collectDeliveries(connection, queue, { prefetch: 0 });
  await publish(1);
  proxy.cut();
  await until(() => connection.state() === "down", 2_000);
  await connection.whenUp(5_000);
  expect(await depth()).toEqual({ ready: 1, consumers: 0 });

  await consumer.setPrefetch(1);
  // Subscribed now, or as soon as the channel is open again.
  await until(() => deliveries.length === 1, 5_000);

  deliveries[0]?.ack();
  await consumer.close();
});

test("a larger prefetch counts what is owned, a smaller one lets it be settled", async () => {
  const { deliveries, consumer } = collectDeliveries(observer, queue, { prefetch: 2 });
  await publish(20);
  await until(() => deliveries.length === 2, 5_000);

  await consumer.setPrefetch(5);
  await until(() => deliveries.length === 5, 5_000);
  expect(await depth()).toMatchObject({ ready: 15 });

  await consumer.setPrefetch(3);
  // Those of the subscription that is over; the other one goes on with three.
  for (const index of [1, 0]) deliveries[index]?.ack();
  expect(await depth()).toMatchObject({ ready: 15 });
  for (const index of [4, 3, 2]) deliveries[index]?.ack();
  await until(() => deliveries.length === 8, 5_000);
  expect(await depth()).toMatchObject({ ready: 12 });

  // All of them are still ours, whatever subscription they came on.
  expect(deliveries.slice(5).map((delivery) => delivery.ack())).toEqual([true, true, true]);
  await until(() => deliveries.length === 11, 5_000);
  await consumer.close();
  await until(async () => (await depth())?.ready === 12, 2_000);
});

test("a smaller prefetch is used again as what was owned above it is settled", async () => {
  const { deliveries, consumer } = collectDeliveries(observer, queue, { prefetch: 5 });
  await publish(20);
  await until(() => deliveries.length === 5, 5_000);
  await consumer.setPrefetch(3);

  for (const index of [0, 1]) deliveries[index]?.ack();
  expect(await depth()).toMatchObject({ ready: 15 });
  deliveries[2]?.ack();
  await until(() => deliveries.length === 6, 5_000);
  for (const index of [3, 4]) deliveries[index]?.ack();

  await until(() => deliveries.length === 8, 5_000);
  expect(await depth()).toMatchObject({ ready: 12 });
  await consumer.close();
});

test("after a cut the prefetch is the one that was set last", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const { deliveries, consumer } = collectDeliveries(connection, queue, { prefetch: 10 });
  await publish(20);
  await until(() => deliveries.length === 10, 5_000);
  await consumer.setPrefetch(4);

  proxy.cut();

  await until(() => deliveries.length === 14, 5_000);
  expect(await depth()).toEqual({ ready: 16, consumers: 1 });
  await consumer.close();
});

test("a prefetch set while the connection is down holds when it is back", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const { deliveries, consumer } = collectDeliveries(connection, queue, { prefetch: 10 });
  await until(async () => (await depth())?.consumers === 1, 5_000);
  proxy.refuse();
  await until(() => connection.state() === "down", 2_000);

  await consumer.setPrefetch(3);
  proxy.heal();
  await publish(10);

  await until(() => deliveries.length === 3, 5_000);
  expect(await depth()).toEqual({ ready: 7, consumers: 1 });
  await consumer.close();
});

test("under load a changing prefetch loses and doubles nothing, and is kept to", async () => {
  const seen = new Map<unknown, number>();
  const excess: string[] = [];
  /** Owned of those that arrived since the last change. */
  let sinceChange = new Set<Delivery>();
  let [owned, allowed, acked] = [0, 4, 0];
  const { consumer } = collectDeliveries(observer, queue, {
    prefetch: allowed,
    onDelivery: (delivery) => {
      owned += 1;
      seen.set(delivery.messageId, (seen.get(delivery.messageId) ?? 0) + 1);
      sinceChange.add(delivery);
      if (sinceChange.size > allowed) excess.push(`${sinceChange.size} of ${allowed}`);
      if (owned > PREFETCH_MAX) excess.push(`${owned} in all`);
      setTimeout(() => {
        owned -= 1;
        sinceChange.delete(delivery);
        if (delivery.ack()) acked += 1;
      }, Math.random() * 8);
    },
  });
  const count = 1_500;
  const publishing = publish(count);

  for (let change = 0; change < 40; change += 1) {
    const next = Math.floor(Math.random() * PREFETCH_MAX);
    // Until the change is done the larger one holds.
    allowed = Math.max(allowed, next);
    await consumer.setPrefetch(next);
    allowed = next;
    sinceChange = new Set();
    await Bun.sleep(5);
  }
  allowed = PREFETCH_MAX;
  await consumer.setPrefetch(PREFETCH_MAX);
  await publishing;
  await until(() => acked >= count, 20_000);

  expect(excess).toEqual([]);
  expect([...seen.values()].every((times) => times === 1)).toBe(true);
  expect([seen.size, acked, owned]).toEqual([count, count, 0]);
  await publish(60);
  await until(() => acked === count + 60, 5_000);
  await consumer.close();
  expect(await depth()).toMatchObject({ ready: 0 });
}, 40_000);

test("a handler that throws gives its delivery back and keeps the others", async () => {
  let thrown = 0;
  const kept: boolean[] = [];
  const { consumer } = collectDeliveries(observer, queue, {
    onDelivery: (delivery) => {
      if (delivery.deliveryCount > 0) kept.push(delivery.ack());
      else {
        thrown += 1;
        throw new Error("a bug");
      }
    },
  });

  await publish(3);

  await until(() => kept.length === 3, 5_000);
  expect([thrown, kept]).toEqual([3, [true, true, true]]);
  await consumer.close();
});

test("a subscription that the broker ended is made again once the queue exists", async () => {
  const { name, arguments: args } = broker.queues.resultsDead;
  let cancelled = 0;
  const { deliveries, consumer } = collectDeliveries(observer, name, {
    onCancelled: () => {
      cancelled += 1;
    },
  });
  await until(async () => (await queueDepths(observer, [name])).get(name)?.consumers === 1, 5_000);

  await observer.withChannel((channel) => channel.deleteQueue(name));
  await until(() => cancelled === 1, 5_000);
  await observer.withChannel((channel) => channel.assertQueue(name, { arguments: args }));
  await publisher.publish(name, encodeRequest(requestOf(10)));

  await until(() => deliveries.length === 1, 5_000);
  deliveries[0]?.ack();
  await consumer.close();
});
