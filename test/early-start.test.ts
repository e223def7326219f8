import { afterAll, beforeAll, expect, test } from "bun:test";

import type { Readiness } from "../adapters/metrics/server.ts";
import type { Component } from "../local/stack/component.ts";
import { serverUrls } from "./support/servers.ts";
import { startTestStack, type TestStack } from "./support/stack/stack.ts";
import { startTcpProxy, type TcpProxy } from "./support/tcp-proxy.ts";
import { until } from "./support/until.ts";

const LIMIT_MS = 60_000;
const SEEN_LIMIT_MS = 20_000;

let stack: TestStack;
let proxies: Record<"postgres" | "redis" | "amqp", TcpProxy>;

beforeAll(async () => {
  stack = await startTestStack({ servers: serverUrls() });
  proxies = {
    postgres: await startTcpProxy(stack.urls.postgres),
    redis: await startTcpProxy(stack.urls.redis),
    amqp: await startTcpProxy(stack.urls.amqp),
  };
}, LIMIT_MS);
afterAll(async () => {
  await stack.stop();
  await Promise.all(Object.values(proxies).map((proxy) => proxy.stop()));
}, LIMIT_MS);

/** Starts it behind the proxies, as if its servers were elsewhere. */
const startBehind = ({ start }: Component): Promise<void> =>
  start({
    DATABASE_URL: proxies.postgres.url,
    REDIS_URL: proxies.redis.url,
    AMQP_URL: proxies.amqp.url,
  });

const health = ({ metricsUrl }: Component, path: "live" | "ready"): Promise<Response> =>
  fetch(new URL(`/health/${path}`, metricsUrl));

/** Waits until it says that exactly this is there and this is not. */
async function untilSaid(component: Component, checks: Readiness): Promise<void> {
  const wanted = { status: "not_ready", checks };
  let said: unknown;
  const hasSaid = async (): Promise<boolean> => {
    const reply = await health(component, "ready").catch(() => undefined);
    said = await reply?.json();
    return Bun.deepEquals(said, wanted);
  };
  await until(hasSaid, SEEN_LIMIT_MS).catch(() => expect(said).toEqual(wanted));
  expect((await health(component, "ready")).status).toBe(503);
}

test.each(["gateway", "worker", "collector"] as const)(
  "a %s that comes before its servers is alive and says what is missing; it works once they are there",
  async (role) => {
    const component = stack.componentsOf(role)[0] as Component;
    await component.terminate();
    for (const proxy of Object.values(proxies)) proxy.refuse();

    const starting = startBehind(component);
    const servers = { postgres: false, schema: false, redis: false, broker: false };
    await untilSaid(component, {
      ...(role === "worker" ? { broker: false } : servers),
      started: false,
    });
    const live = await health(component, "live");
    for (const proxy of Object.values(proxies)) proxy.heal();

    expect(live.status).toBe(200);
    await starting;
    expect((await health(component, "ready")).status).toBe(200);
  },
  LIMIT_MS,
);

test.each(["gateway", "collector"] as const)(
  "a %s on a database without its schema is not ready until that was migrated",
  async (role) => {
    const { database } = stack.books;
    const component = stack.componentsOf(role)[0] as Component;
    await component.terminate();
    await database.run("hide", (sql) => sql`alter table schema_migrations rename to hidden`);

    const starting = component.start();
    await untilSaid(component, {
      postgres: true,
      schema: false,
      redis: true,
      broker: true,
      started: false,
    });
    await database.run("show", (sql) => sql`alter table hidden rename to schema_migrations`);

    await starting;
  },
  LIMIT_MS,
);

test(
  "a process that waits for its servers ends at once when it is told to",
  async () => {
    const worker = stack.workers[0] as Component;
    await worker.terminate();
    proxies.amqp.refuse();

    const starting = startBehind(worker).catch((error: unknown) => error);
    await untilSaid(worker, { broker: false, started: false });

    expect(await worker.terminate(2_000)).toBe(0);
    expect(String(await starting)).toContain("ended while starting");
  },
  LIMIT_MS,
);
