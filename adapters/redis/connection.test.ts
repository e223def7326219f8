import { afterEach, beforeEach, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { Socket } from "node:net";
import { redisUrl } from "../../test/support/servers.ts";
import { startTcpProxy, type TcpProxy } from "../../test/support/tcp-proxy.ts";
import { connectRedis, type RedisConnection } from "./connection.ts";
import { createQuotaStore } from "./quota-store.ts";
import { freshTruth, limitsOf, newId } from "../../test/support/quota-samples.ts";
import { connectForTest } from "../../test/support/redis.ts";
import { silentLog } from "../../runtime/log.ts";

setDefaultTimeout(20_000);

const TIMEOUT_MS = 400;

let proxy: TcpProxy;
let redis: RedisConnection;
let direct: RedisConnection;

beforeEach(async () => {
  proxy = await startTcpProxy(redisUrl());
  [redis, direct] = await Promise.all([connectForTest(proxy.url, TIMEOUT_MS), connectForTest()]);
});
afterEach(async () => {
  redis.close();
  direct.close();
  await proxy.stop();
});

/** 200 commands, all in flight, each of which counts its own executions. */
function sendMany(key: string): Promise<PromiseSettledResult<number>[]> {
  const runId = newId();
  return Promise.allSettled(
    Array.from({ length: 200 }, (_, i) =>
      redis.run(({ client }) => client.hincrby(key, `${runId}:${i}`, 1)),
    ),
  );
}

const acknowledged = (results: PromiseSettledResult<unknown>[]): number =>
  results.filter(({ status }) => status === "fulfilled").length;

/** How often each command was executed. */
async function executions(key: string): Promise<number[]> {
  const counts = await direct.run(({ client }) => client.hvals(key));
  await direct.run(({ client }) => client.del(key));
  return counts.map(Number);
}

/** Redis becomes unreachable, and the client has noticed. */
async function loseConnection(): Promise<void> {
  const closed = new Promise((resolve) => redis.server().client.once("close", resolve));
  proxy.refuse();
  await closed;
}

function codesOf(results: PromiseSettledResult<unknown>[]): Set<unknown> {
  const failures = results.filter((result) => result.status === "rejected");
  return new Set(failures.map(({ reason }) => (reason as { code?: unknown }).code));
}

test("commands that are sent in one turn leave in one system call", async () => {
  const uncork = spyOn(Socket.prototype, "uncork");

  const results = await sendMany(`test:${newId()}`);

  expect(acknowledged(results)).toBe(200);
  expect(uncork.mock.calls.length).toBe(1);
  uncork.mockRestore();
});

test("after a cut in flight every promise settles at once and no command runs twice", async () => {
  const key = `test:${newId()}`;
  let acknowledgements = 0;

  for (let round = 0; round < 10; round++) {
    const running = sendMany(key);
    if (round % 2 === 0) await Bun.sleep(0);
    proxy.cut();
    const startedMs = performance.now();
    const results = await running;
    expect(performance.now() - startedMs).toBeLessThan(TIMEOUT_MS);
    acknowledgements += acknowledged(results);
    expect(codesOf(results).difference(new Set(["QUOTA_UNAVAILABLE"])).size).toBe(0);
    await redis.untilReady(5_000);
  }

  const counts = await executions(key);
  expect(counts.length).toBeGreaterThanOrEqual(acknowledgements);
  expect(Math.max(...counts)).toBe(1);
});

test("behind a frozen server every promise settles in time, and work goes on after the thaw", async () => {
  const key = `test:${newId()}`;
  proxy.freeze();
  const startedMs = performance.now();

  const results = await sendMany(key);

  expect(performance.now() - startedMs).toBeLessThan(4 * TIMEOUT_MS);
  expect([...codesOf(results)]).toEqual(["QUOTA_UNAVAILABLE"]);
  proxy.heal();
  await redis.untilReady(5_000);
  expect(acknowledged(await sendMany(key))).toBe(200);
  expect(Math.max(...(await executions(key)))).toBe(1);
});

test("while Redis is away commands are refused at once instead of queued", async () => {
  const key = `test:${newId()}`;
  await loseConnection();
  const startedMs = performance.now();

  const results = await sendMany(key);

  expect(performance.now() - startedMs).toBeLessThan(TIMEOUT_MS);
  expect([...codesOf(results)]).toEqual(["QUOTA_UNAVAILABLE"]);
  expect(await executions(key)).toEqual([]);
});

test("a connection that was away for several attempts comes back by itself, scripts and all", async () => {
  const store = createQuotaStore(redis);
  await loseConnection();
  const away = await redis.untilReady(300).catch((error: unknown) => error);
  proxy.heal();

  await redis.untilReady(5_000);

  expect(away).toMatchObject({ code: "QUOTA_UNAVAILABLE" });
  const userId = newId();
  const ticket = await store.beginLoad(userId);
  if (ticket === undefined) throw new Error("a new user is loaded already");
  expect(await store.load(userId, ticket, freshTruth(limitsOf()))).toBe("loaded");
});

test("a client that the library has given up is replaced", async () => {
  const { client } = redis.server();

  const ended = new Promise((resolve) => client.once("end", resolve));
  client.disconnect();
  await ended;
  await redis.untilReady(10_000);

  expect(redis.server().client).not.toBe(client);
  expect(await redis.run((server) => server.client.ping())).toBe("PONG");
});

test("nothing can be sent before the server's run_id is known", async () => {
  const early = connectRedis({
    url: redisUrl(),
    commandTimeoutMs: TIMEOUT_MS,
    name: "test",
    log: silentLog,
  });

  expect(() => early.server()).toThrow("not connected");
  await early.untilReady(5_000);
  expect(early.server().instance).toMatch(/^[0-9a-f]{40}$/);
  early.close();
});

test("admissions cut in flight on a real script settle, and a repeat takes nothing twice", async () => {
  const store = createQuotaStore(redis);
  const userId = newId();
  const ticket = await store.beginLoad(userId);
  if (ticket === undefined) throw new Error("a new user is loaded already");
  await store.load(userId, ticket, freshTruth(limitsOf()));
  const admissions = Array.from({ length: 100 }, () => ({ userId, requestId: newId(), tokens: 3 }));

  const running = Promise.allSettled(admissions.map((admission) => store.admit(admission)));
  proxy.cut();
  await running;
  await redis.untilReady(5_000);
  await Promise.all(admissions.map((admission) => store.admit(admission)));

  expect(await store.read(userId)).toMatchObject({
    openRequests: 100,
    windows: { daily: { used: { requests: 100, tokens: 300 } } },
  });
});
