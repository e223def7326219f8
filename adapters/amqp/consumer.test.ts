import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { startTcpProxy, type TcpProxy } from "../../test/support/tcp-proxy.ts";
import type { AmqpConnection } from "./connection.ts";
import { purge, queueDepths } from "./inspect.ts";
import { encodeRequest, encodeUnchanged } from "./messages.ts";
import { requestOf } from "../../test/support/message-samples.ts";
import { createPublisher, type Publisher } from "./publisher.ts";
import { collectDeliveries, startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import { until } from "../../test/support/until.ts";

let broker: TestBroker;
let proxy: TcpProxy;
let observer: AmqpConnection;
let publisher: Publisher;
let queue: string;

beforeAll(async () => {
  broker = await startTestBroker([]);
  proxy = await startTcpProxy(broker.url);
  observer = await broker.connect();
  publisher = createPublisher(observer, {
    channels: 1,
    messagesMax: 100,
    bytesMax: 1_000_000,
    confirmTimeoutMs: 5_000,
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

test("a paused consumer gets nothing, can settle what it has, and goes on when it is resumed", async () => {
  const { deliveries, consumer } = collectDeliveries(observer, queue);
  await publish(1);
  await until(() => deliveries.length === 1, 5_000);

  await consumer.pause();
  await publish(5);
  expect(await depth()).toMatchObject({ ready: 5 });
  expect(deliveries).toHaveLength(1);
  expect(deliveries[0]?.ack()).toBe(true);
  await consumer.resume();

  await until(() => deliveries.length === 6, 5_000);
  for (const delivery of deliveries) delivery.ack();
  await consumer.close();
});

test("a consumer that is paused stays so over a reconnect", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const { deliveries, consumer } = collectDeliveries(connection, queue, { startPaused: true });
  await publish(1);
  proxy.cut();
  await until(() => connection.state() === "down", 2_000);
  await connection.whenUp(5_000);
  expect(await depth()).toEqual({ ready: 1, consumers: 0 });

  await consumer.resume();
  // Subscribed now, or as soon as the channel is open again.
  await until(() => deliveries.length === 1, 5_000);

  deliveries[0]?.ack();
  await consumer.close();
});

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
