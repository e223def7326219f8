import { afterAll, beforeAll, expect, spyOn, test } from "bun:test";
import { Socket } from "node:net";
import { startTcpProxy, type TcpProxy } from "../../test/support/tcp-proxy.ts";
import type { AmqpConnection } from "./connection.ts";
import { browse, purge, queueDepths } from "./inspect.ts";
import { decodeMessage, encodeRequest, encodeResult } from "./messages.ts";
import { REQUEST, requestOf, RESULT, SIGNATURES } from "../../test/support/message-samples.ts";
import { createPublisher, type Publisher, type PublisherOptions } from "./publisher.ts";
import { startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import { until } from "../../test/support/until.ts";

let broker: TestBroker;
let proxy: TcpProxy;
let queue: string;
const publishers: Publisher[] = [];

beforeAll(async () => {
  broker = await startTestBroker([]);
  proxy = await startTcpProxy(broker.url);
  queue = broker.queues.requests.name;
});
afterAll(async () => {
  proxy.heal();
  await Promise.all(publishers.map((publisher) => publisher.close()));
  await broker.stop();
  await proxy.stop();
});

function publisherOn(
  connection: AmqpConnection,
  options: Partial<PublisherOptions> = {},
): Publisher {
  const publisher = createPublisher(connection, {
    channels: 2,
    messagesMax: 500,
    bytesMax: 8_388_608,
    confirmTimeoutMs: 5_000,
    signatures: SIGNATURES,
    ...options,
  });
  publishers.push(publisher);
  return publisher;
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : error;

/** Settles all, within a limit; returns how many were confirmed and which codes the others failed with. */
async function outcomesOf(
  publishes: Promise<void>[],
  withinMs: number,
): Promise<{ confirmed: number; codes: Set<unknown> }> {
  const all = Promise.allSettled(publishes);
  const outcomes = await Promise.race([all, Bun.sleep(withinMs)]);
  if (outcomes === undefined) throw new Error(`still pending after ${withinMs} ms`);
  const codes = outcomes.flatMap((outcome) =>
    outcome.status === "rejected" ? [codeOf(outcome.reason)] : [],
  );
  return { confirmed: outcomes.length - codes.length, codes: new Set(codes) };
}

test("both kinds of message arrive byte for byte, persistent and readable", async () => {
  const connection = await broker.connect();
  const publisher = publisherOn(connection);
  const large = requestOf(300_000);

  await publisher.publish(broker.queues.resultsDead.name, encodeRequest(REQUEST));
  await publisher.publish(broker.queues.resultsDead.name, encodeResult(RESULT));
  await publisher.publish(broker.queues.resultsDead.name, encodeRequest(large));

  const found = await browse(connection, broker.queues.resultsDead.name, { limit: 5 });
  const [request, result, largeRequest] = found.map(decodeMessage);
  expect(found).toHaveLength(3);
  expect(request).toMatchObject({ ok: true, request: { head: REQUEST.head, attempt: 1 } });
  expect(result).toMatchObject({ ok: true, result: { head: RESULT.head, usage: RESULT.usage } });
  expect(found.map((message) => Buffer.from(message.body))).toEqual(
    [REQUEST.payload, RESULT.result ?? [], large.payload].map((bytes) => Buffer.from(bytes)),
  );
  expect(largeRequest?.ok).toBe(true);
});

test("messages that are published in one turn leave in one system call", async () => {
  const connection = await broker.connect();
  const publisher = publisherOn(connection);
  await publisher.publish(queue, encodeRequest(requestOf(10)));
  const uncork = spyOn(Socket.prototype, "uncork");

  await Promise.all(
    Array.from({ length: 50 }, () => publisher.publish(queue, encodeRequest(requestOf(10)))),
  );

  expect(uncork.mock.calls.length).toBe(1);
  uncork.mockRestore();
  await purge(connection, queue);
});

test("a message that no queue takes is rejected, and its neighbours are confirmed", async () => {
  const publisher = publisherOn(await broker.connect());

  const outcomes = await Promise.allSettled([
    publisher.publish(queue, encodeRequest(requestOf(10))),
    publisher.publish(`${queue}.absent`, encodeRequest(REQUEST)),
    publisher.publish(queue, encodeRequest(REQUEST)),
  ]);

  expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(outcomes[1]).toMatchObject({ reason: { code: "BROKER_UNAVAILABLE" } });
  expect(publisher.unconfirmed()).toBe(0);
});

test("through an exchange a message is confirmed when a queue has it, else rejected", async () => {
  const connection = await broker.connect();
  const publisher = publisherOn(connection);
  const [exchange, unbound] = [`${broker.prefix}bound`, `${broker.prefix}unbound`];
  await connection.withChannel(async (channel) => {
    for (const name of [exchange, unbound]) await channel.assertExchange(name, "fanout");
    await channel.bindQueue(queue, exchange, "");
  });
  await purge(connection, queue);

  const outcomes = await Promise.allSettled([
    publisher.publishThrough(exchange, "any.key", encodeRequest(REQUEST)),
    publisher.publishThrough(unbound, queue, encodeRequest(REQUEST)),
    publisher.publish(queue, encodeRequest(REQUEST)),
  ]);

  expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(outcomes[1]).toMatchObject({ reason: { code: "BROKER_UNAVAILABLE" } });
  expect(await purge(connection, queue)).toBe(2);
  await connection.withChannel(async (channel) => {
    for (const name of [exchange, unbound]) await channel.deleteExchange(name);
  });
});

test("publishing goes on after a publish through an exchange that does not exist", async () => {
  const connection = await broker.connect();
  const publisher = publisherOn(connection, { channels: 1 });

  const lost = publisher.publishThrough(`${broker.prefix}absent`, queue, encodeRequest(REQUEST));

  expect(await lost.catch(codeOf)).toBe("BROKER_UNAVAILABLE");
  await publisher.publish(queue, encodeRequest(REQUEST));
  expect(await purge(connection, queue)).toBe(1);
});

test("no more messages than the window allows are sent, and all of them arrive in the end", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const publisher = publisherOn(connection, { messagesMax: 10 });
  const observer = await broker.connect();
  await purge(observer, queue);
  await publisher.publish(queue, encodeRequest(requestOf(10)));
  proxy.setLatency(300);

  const publishes = Array.from({ length: 25 }, () =>
    publisher.publish(queue, encodeRequest(requestOf(10))),
  );
  await until(async () => (await depthOf(observer)) === 11, 2_000);
  await Bun.sleep(100);
  const depthBeforeConfirms = await depthOf(observer);
  proxy.heal();

  expect(depthBeforeConfirms).toBe(11);
  expect(await outcomesOf(publishes, 5_000)).toEqual({ confirmed: 25, codes: new Set() });
});

test("no more bytes than the window allows are sent; one larger message may go alone", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const publisher = publisherOn(connection, { bytesMax: 1_000 });
  const observer = await broker.connect();
  await publisher.publish(queue, encodeRequest(requestOf(5_000)));
  await purge(observer, queue);
  proxy.setLatency(300);

  const publishes = Array.from({ length: 6 }, () =>
    publisher.publish(queue, encodeRequest(requestOf(400))),
  );
  await until(async () => (await depthOf(observer)) === 2, 2_000);
  await Bun.sleep(100);
  const depthBeforeConfirms = await depthOf(observer);
  proxy.heal();

  expect(depthBeforeConfirms).toBe(2);
  expect(await outcomesOf(publishes, 5_000)).toEqual({ confirmed: 6, codes: new Set() });
});

test("a message above the publisher's own bound is refused before it is sent, alone", async () => {
  const connection = await broker.connect();
  const publisher = publisherOn(connection, { messageBytesMax: 1_000 });
  await purge(connection, queue);

  const outcomes = await Promise.allSettled(
    [10, 1_001, 1_000].map((bytes) => publisher.publish(queue, encodeRequest(requestOf(bytes)))),
  );

  expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(outcomes[1]).toMatchObject({
    reason: { code: "MESSAGE_TOO_LARGE", message: "1001 bytes; the queue takes at most 1000" },
  });
  expect(await purge(connection, queue)).toBe(2);
});

test("more publishes than may wait are refused at once", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const publisher = publisherOn(connection, { messagesMax: 1, pendingMax: 2 });
  await publisher.publish(queue, encodeRequest(requestOf(10)));
  proxy.freeze();

  const accepted = [1, 2, 3].map(() => publisher.publish(queue, encodeRequest(requestOf(10))));
  const refused = await outcomesOf([publisher.publish(queue, encodeRequest(requestOf(10)))], 100);
  proxy.heal();

  expect(refused).toEqual({ confirmed: 0, codes: new Set(["BROKER_UNAVAILABLE"]) });
  expect(await outcomesOf(accepted, 5_000)).toEqual({ confirmed: 3, codes: new Set() });
});

test("more bytes than may wait are refused at once, but one large message may wait alone", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const publisher = publisherOn(connection, { messagesMax: 1, pendingBytesMax: 2_500 });
  await publisher.publish(queue, encodeRequest(requestOf(10)));
  proxy.freeze();
  const publish = (bytes: number): Promise<void> =>
    publisher.publish(queue, encodeRequest(requestOf(bytes)));

  const small = [10, 1_000, 1_000].map(publish);
  const refused = await outcomesOf([publish(1_000)], 100);
  proxy.heal();
  const afterwards = await outcomesOf(small, 5_000);
  proxy.freeze();
  const large = [publish(10), publish(5_000)];
  const refusedBehindIt = await outcomesOf([publish(10)], 100);
  proxy.heal();

  const refusal = { confirmed: 0, codes: new Set(["BROKER_UNAVAILABLE"]) };
  expect([refused, refusedBehindIt]).toEqual([refusal, refusal]);
  expect(afterwards).toEqual({ confirmed: 3, codes: new Set() });
  expect(await outcomesOf(large, 5_000)).toEqual({ confirmed: 2, codes: new Set() });
});

test("a broker that stops confirming fails every publish in time, and gets no other window", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const publisher = publisherOn(connection, { messagesMax: 5, confirmTimeoutMs: 300 });
  const observer = await broker.connect();
  await publisher.publish(queue, encodeRequest(requestOf(10)));
  await purge(observer, queue);
  proxy.freeze();

  const publishBatch = (): Promise<void>[] =>
    Array.from({ length: 20 }, () => publisher.publish(queue, encodeRequest(requestOf(10))));
  const first = await outcomesOf(publishBatch(), 10_000);
  const second = await outcomesOf(publishBatch(), 10_000);
  proxy.heal();
  await publisher.publish(queue, encodeRequest(REQUEST));

  const failed = { confirmed: 0, codes: new Set(["BROKER_UNAVAILABLE"]) };
  expect([first, second]).toEqual([failed, failed]);
  // What was delayed on the other channel may come after the confirm on this one.
  await until(async () => ((await depthOf(observer)) ?? 0) >= 6, 10_000);
  expect(await depthOf(observer)).toBe(6);
});

test("a cut connection settles everything at once and loses nothing confirmed", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const publisher = publisherOn(connection, { messagesMax: 50, confirmTimeoutMs: 30_000 });
  const observer = await broker.connect();
  await publisher.publish(queue, encodeRequest(REQUEST));
  await purge(observer, queue);
  proxy.setLatency(20);
  const publishes = Array.from({ length: 1_000 }, () =>
    publisher.publish(queue, encodeRequest(requestOf(100))),
  );
  await Promise.race(publishes);

  proxy.cut();

  const { confirmed, codes } = await outcomesOf(publishes, 2_000);
  expect(codes).toEqual(new Set(["BROKER_UNAVAILABLE"]));
  expect(confirmed).toBeGreaterThan(0);
  expect(confirmed).toBeLessThan(1_000);
  proxy.heal();
  await connection.whenUp(5_000);
  await publisher.publish(queue, encodeRequest(REQUEST));
  expect(await depthOf(observer)).toBeGreaterThanOrEqual(confirmed + 1);
});

test("while there is no connection a publish fails at once", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const publisher = publisherOn(connection);
  proxy.refuse();
  await until(() => connection.state() === "down", 2_000);

  const outcome = await outcomesOf([publisher.publish(queue, encodeRequest(REQUEST))], 50);
  proxy.heal();

  expect(outcome).toEqual({ confirmed: 0, codes: new Set(["BROKER_UNAVAILABLE"]) });
});

test("drain tells whether everything was settled in time", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const publisher = publisherOn(connection);
  await publisher.publish(queue, encodeRequest(requestOf(10)));
  proxy.freeze();
  const publish = publisher.publish(queue, encodeRequest(requestOf(10)));

  const frozen = await publisher.drain(50);
  proxy.heal();
  const thawed = await publisher.drain(5_000);

  expect([frozen, thawed]).toEqual([false, true]);
  await publish;
});

test("closing a publisher fails what is unconfirmed", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const publisher = publisherOn(connection);
  await publisher.publish(queue, encodeRequest(requestOf(10)));
  proxy.freeze();
  const publish = publisher.publish(queue, encodeRequest(requestOf(10)));

  const closed = publisher.close();

  expect(await outcomesOf([publish], 100)).toMatchObject({ confirmed: 0 });
  proxy.heal();
  await closed;
});

async function depthOf(connection: AmqpConnection): Promise<number | undefined> {
  return (await queueDepths(connection, [queue])).get(queue)?.ready;
}
