import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTcpProxy, type TcpProxy } from "../../test/support/tcp-proxy.ts";
import { connectAmqp, type ConnectionState } from "./connection.ts";
import { startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import { silentLog } from "../../runtime/log.ts";
import { until } from "../../test/support/until.ts";
import { declareTopology, TopologyMismatchError } from "./topology.ts";

let broker: TestBroker;
let proxy: TcpProxy;

beforeAll(async () => {
  broker = await startTestBroker([]);
  proxy = await startTcpProxy(broker.url);
});
afterAll(async () => {
  proxy.heal();
  await broker.stop();
  await proxy.stop();
});

test("a connection that was cut comes back by itself, and says what state it is in", async () => {
  const states: ConnectionState[] = [];
  const connection = await broker.connect({
    url: proxy.url,
    onState: (state) => states.push(state),
  });

  proxy.cut();
  await until(() => connection.state() === "down", 2_000);
  await connection.whenUp(5_000);

  expect(states).toEqual(["up", "down", "up"]);
});

test("waiting for a broker that is away ends with a fault, and the connection comes up later", async () => {
  proxy.refuse();
  const connection = connectAmqp({
    url: proxy.url,
    heartbeatSeconds: 20,
    name: "test",
    log: silentLog,
  });

  const refused = await connection.whenUp(300).catch((error: unknown) => error);
  proxy.heal();
  await connection.whenUp(5_000);

  expect(refused).toMatchObject({ code: "BROKER_UNAVAILABLE", cause: expect.any(Error) });
  await connection.close();
});

test("a broker that takes the connection and stays silent costs one timeout, not a hang", async () => {
  const ownProxy = await startTcpProxy(broker.url);
  ownProxy.blackhole();
  const connection = connectAmqp({
    url: ownProxy.url,
    heartbeatSeconds: 20,
    name: "test",
    log: silentLog,
    operationTimeoutMs: 200,
  });
  await until(() => ownProxy.connections() === 1, 2_000);
  ownProxy.heal();

  const startedMs = performance.now();
  await connection.whenUp(3_000);

  expect(performance.now() - startedMs).toBeGreaterThan(150);
  expect(ownProxy.connections()).toBe(1);
  await connection.close();
  await ownProxy.stop();
});

test("a peer that has vanished is noticed by its heartbeat, and its socket is closed", async () => {
  const ownProxy = await startTcpProxy(broker.url);
  const connection = await broker.connect({ url: ownProxy.url, heartbeatSeconds: 1 });

  ownProxy.blackhole();
  await until(() => connection.state() === "down", 5_000);
  ownProxy.heal();

  await connection.whenUp(8_000);
  expect(ownProxy.connections()).toBe(1);
  await connection.close();
  await ownProxy.stop();
}, 15_000);

test("operations on a broken connection fail within their limit", async () => {
  const connection = await broker.connect({ url: proxy.url, operationTimeoutMs: 200 });
  proxy.freeze();

  const startedMs = performance.now();
  const frozen = await connection
    .withChannel((channel) => channel.checkQueue(broker.queues.requests.name))
    .catch((error: unknown) => error);
  const tookMs = performance.now() - startedMs;
  proxy.refuse();
  await until(() => connection.state() === "down", 2_000);
  const cut = await connection.withChannel(async () => {}).catch((error: unknown) => error);
  proxy.heal();

  expect([frozen, cut]).toMatchObject([
    { code: "BROKER_UNAVAILABLE" },
    { code: "BROKER_UNAVAILABLE" },
  ]);
  expect(tookMs).toBeLessThan(1_000);
});

test("closing is bounded when the broker does not answer, and ends the reconnecting", async () => {
  const connection = await broker.connect({ url: proxy.url });
  proxy.freeze();

  const startedMs = performance.now();
  await connection.close(200);
  const tookMs = performance.now() - startedMs;
  proxy.heal();

  expect(tookMs).toBeLessThan(1_000);
  expect(connection.state()).toBe("down");
  expect(connection.whenUp(1_000)).rejects.toMatchObject({ code: "BROKER_UNAVAILABLE" });
});

test("closing while the broker is away returns at once", async () => {
  proxy.refuse();
  const connection = connectAmqp({
    url: proxy.url,
    heartbeatSeconds: 20,
    name: "test",
    log: silentLog,
  });
  const waiting = connection.whenUp(5_000).catch((error: unknown) => error);

  await connection.close();
  proxy.heal();

  expect(await waiting).toMatchObject({ code: "BROKER_UNAVAILABLE" });
});

test("queues that the broker lost are there again after a reconnect", async () => {
  const { queues } = broker.queues;
  const connection = await broker.connect({
    url: proxy.url,
    prepare: (withChannel) => declareTopology(withChannel, queues),
  });
  const { name } = broker.queues.resultsDead;
  await connection.withChannel((channel) => channel.deleteQueue(name));

  proxy.cut();
  await until(() => connection.state() === "down", 2_000);
  await connection.whenUp(5_000);

  const { queue } = await connection.withChannel((channel) => channel.checkQueue(name));
  expect(queue).toBe(name);
});

test("a queue that exists with other arguments ends the wait for the connection at once", async () => {
  const { name, arguments: was } = broker.queues.requests;
  const connecting = broker.connect({
    prepare: (withChannel) =>
      declareTopology(withChannel, [{ name, arguments: { ...was, "x-delivery-limit": 3 } }]),
  });

  const error = await connecting.catch((caught: unknown) => caught);

  expect(error).toBeInstanceOf(TopologyMismatchError);
});

test("a connection that is cut while it is prepared is made again", async () => {
  let rounds = 0;
  const neverSettles = new Promise<void>(() => {});
  const connection = connectAmqp({
    url: proxy.url,
    heartbeatSeconds: 20,
    name: "test",
    log: silentLog,
    prepare: async (withChannel) => {
      rounds += 1;
      if (rounds === 1) {
        proxy.cut();
        return neverSettles;
      }
      await withChannel((channel) => channel.checkQueue(broker.queues.requests.name));
    },
  });

  await connection.whenUp(5_000);

  expect(rounds).toBe(2);
  await connection.close();
});

test("the password of the URL is in no log line and no error", async () => {
  const lines: string[] = [];
  const note = (fields: Record<string, unknown>, message: string): void => {
    lines.push(`${message} ${Bun.inspect(fields)}`);
  };
  const url = new URL(broker.url);
  url.password = "pa55word-of-mine";
  const connection = connectAmqp({
    url: url.toString(),
    heartbeatSeconds: 20,
    name: "test",
    log: { debug: note, info: note, warn: note, error: note },
  });

  lines.push(Bun.inspect(await connection.whenUp(1_000).catch((error: unknown) => error)));
  await connection.close();
  for (const wrong of ["amqp://user:pa55word-of-mine@:x", "http://user:pa55word-of-mine@host"])
    try {
      connectAmqp({ url: wrong, heartbeatSeconds: 20, name: "test", log: silentLog });
    } catch (error) {
      lines.push(Bun.inspect(error));
    }

  expect(lines.length).toBeGreaterThanOrEqual(4);
  expect(lines.join("\n")).toContain("ACCESS-REFUSED");
  expect(lines.join("\n")).not.toContain("pa55word-of-mine");
});
