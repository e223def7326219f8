import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { recordMetrics } from "../../test/support/metrics.ts";
import { connectForTest } from "../../test/support/redis.ts";
import { redisUrl } from "../../test/support/servers.ts";
import type { RedisConnection } from "./connection.ts";
import { watchDurability } from "./durability.ts";

setDefaultTimeout(20_000);

const SETTINGS = ["maxmemory", "maxmemory-policy", "appendonly", "save"] as const;
const KEEPS_ALL = {
  maxmemory: "1gb",
  "maxmemory-policy": "noeviction",
  appendonly: "yes",
  save: "",
};

let redis: RedisConnection;
let before: Record<string, string>;
beforeAll(async () => {
  redis = await connectForTest();
  before = Object.fromEntries(
    await Promise.all(SETTINGS.map(async (key) => [key, await get(key)])),
  );
});
beforeEach(() => configure(KEEPS_ALL));
afterAll(async () => {
  await configure(before);
  redis.close();
});

const get = async (key: string): Promise<string> =>
  redis.run(async ({ client }) => String(((await client.config("GET", key)) as unknown[])[1]));

async function configure(settings: Record<string, string>): Promise<void> {
  for (const [key, value] of Object.entries(settings))
    await redis.run(({ client }) => client.config("SET", key, value));
}

/** Whether each cause is shown: 1, 0, or null for not at all. */
async function shownOn(connection: RedisConnection) {
  const { metrics, value } = recordMetrics();
  const told = new Set<string>();
  const gauge = {
    set: (amount: number, ...labels: string[]) => {
      told.add(labels.join());
      metrics.redis_may_forget.set(amount, ...labels);
    },
  };
  const warned: unknown[] = [];
  const log = { warn: (fields: object) => void warned.push(fields) };
  const { check } = watchDurability(connection, { redis_may_forget: gauge }, log);
  await check();
  const read = (cause: string) => (told.has(cause) ? value("redis_may_forget", cause) : null);
  const shown = () => ({ eviction: read("eviction"), no_persistence: read("no_persistence") });
  return { check, shown, warned };
}

test("a server that keeps everything is shown as such, and nothing is logged", async () => {
  const { shown, warned } = await shownOn(redis);

  expect(shown()).toEqual({ eviction: 0, no_persistence: 0 });
  expect(warned).toEqual([]);
});

test.each(["allkeys-lru", "volatile-ttl"])(
  "a limit of memory with %s is shown and logged once, until it is changed",
  async (policy) => {
    await configure({ "maxmemory-policy": policy });
    const { check, shown, warned } = await shownOn(redis);
    await check();
    const found = shown();
    await configure(KEEPS_ALL);
    await check();

    expect(found).toEqual({ eviction: 1, no_persistence: 0 });
    expect(shown()).toEqual({ eviction: 0, no_persistence: 0 });
    expect(warned).toEqual([{ cause: "eviction" }]);
  },
);

test("a policy that evicts is harmless while there is no limit of memory", async () => {
  await configure({ maxmemory: "0", "maxmemory-policy": "allkeys-lru" });

  expect((await shownOn(redis)).shown().eviction).toBe(0);
});

test.each([
  ["", 1],
  ["3600 1", 0],
])("without an append-only file a server with save %j is shown as %i", async (save, shows) => {
  await configure({ appendonly: "no", save });

  const { shown, warned } = await shownOn(redis);

  expect(shown()).toEqual({ eviction: 0, no_persistence: shows });
  expect(warned).toHaveLength(shows);
});

test("what an ACL keeps secret is neither shown nor logged", async () => {
  const name = `test-${crypto.randomUUID()}`;
  await configure({ appendonly: "no" });
  await redis.run(({ client }) =>
    client.acl("SETUSER", name, "on", ">secret", "~*", "+@all", "-config"),
  );
  const url = new URL(redisUrl());
  url.username = name;
  url.password = "secret";
  const restricted = await connectForTest(url.toString());
  try {
    const { shown, warned } = await shownOn(restricted);

    expect(shown()).toEqual({ eviction: 0, no_persistence: null });
    expect(warned).toEqual([]);
  } finally {
    restricted.close();
    await redis.run(({ client }) => client.acl("DELUSER", name));
  }
});
