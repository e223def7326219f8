import { afterAll, beforeAll, expect, spyOn, test } from "bun:test";
import { startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import { requestOf, SIGNATURES } from "../../test/support/message-samples.ts";
import { startTcpProxy, type TcpProxy } from "../../test/support/tcp-proxy.ts";
import { until } from "../../test/support/until.ts";
import type { AmqpConnection } from "./connection.ts";
import { createDepthReader } from "./depth-reader.ts";
import { purge, type QueueDepth } from "./inspect.ts";
import { encodeRequest } from "./messages.ts";
import { createPublisher, type Publisher } from "./publisher.ts";

let broker: TestBroker;
let proxy: TcpProxy;
let observer: AmqpConnection;
let publisher: Publisher;
let names: string[];

beforeAll(async () => {
  broker = await startTestBroker([100], ["one", "two"]);
  proxy = await startTcpProxy(broker.url);
  observer = await broker.connect();
  publisher = createPublisher(observer, {
    channels: 1,
    messagesMax: 100,
    bytesMax: 1_000_000,
    confirmTimeoutMs: 5_000,
    signatures: SIGNATURES,
  });
  names = broker.queues.queues.map(({ name }) => name);
});
afterAll(async () => {
  await publisher.close();
  await broker.stop();
  await proxy.stop();
});

const EMPTY = { ready: 0, consumers: 0 };
const emptyOf = (name: string): [string, QueueDepth | null] => [name, EMPTY];

test("depths are as they are now, and reading them again opens no channel", async () => {
  const connection = await broker.connect();
  const reader = createDepthReader(connection);
  const { name } = broker.queues.requestsOf("one");
  await reader.read(names);
  const opened = spyOn(connection, "withChannel");

  const readings = [];
  for (let round = 0; round < 3; round += 1) {
    await publisher.publish(name, encodeRequest(requestOf(10)));
    readings.push(await reader.read(names));
  }

  expect(readings.map((depths) => depths.get(name)?.ready)).toEqual([1, 2, 3]);
  expect([...(readings[0] ?? [])].filter(([other]) => other !== name)).toEqual(
    names.filter((other) => other !== name).map(emptyOf),
  );
  expect(opened).not.toHaveBeenCalled();
  await purge(observer, name);
  await reader.close();
});

test("a missing queue is null, is not asked for again for a while, and then is seen", async () => {
  const connection = await broker.connect();
  const reader = createDepthReader(connection, { missingMs: 200 });
  const late = `${broker.prefix}late`;
  expect((await reader.read([late, ...names])).get(late)).toBeNull();
  const opened = spyOn(connection, "withChannel");
  await observer.withChannel((channel) => channel.assertQueue(late));

  expect((await reader.read([late, ...names])).get(late)).toBeNull();

  expect(opened).not.toHaveBeenCalled();
  await until(async () => (await reader.read([late])).get(late)?.ready === 0, 2_000);
  await observer.withChannel((channel) => channel.deleteQueue(late));
  await reader.close();
});

test("a queue that goes away is null, and the others are read in the same reading", async () => {
  const reader = createDepthReader(await broker.connect());
  const gone = `${broker.prefix}gone`;
  await observer.withChannel((channel) => channel.assertQueue(gone));
  expect((await reader.read([...names, gone])).get(gone)).toEqual(EMPTY);
  await observer.withChannel((channel) => channel.deleteQueue(gone));

  const depths = await reader.read([...names, gone]);

  expect(depths).toEqual(new Map([...names.map(emptyOf), [gone, null]]));
  expect([...(await reader.read(names)).values()]).toEqual(names.map(() => EMPTY));
  await reader.close();
});

test("without a connection reading fails, and goes on once it is back", async () => {
  const connection = await broker.connect({ url: proxy.url });
  const reader = createDepthReader(connection);
  await reader.read(names);
  proxy.refuse();
  await until(() => connection.state() === "down", 2_000);

  const refused = await reader.read(names).catch((error: unknown) => error);
  proxy.heal();
  await connection.whenUp(5_000);

  expect(refused).toMatchObject({ code: "BROKER_UNAVAILABLE" });
  expect([...(await reader.read(names)).values()]).toEqual(names.map(() => EMPTY));
  await reader.close();
});
