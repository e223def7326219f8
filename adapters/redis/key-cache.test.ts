import { afterAll, beforeAll, expect, test } from "bun:test";
import { Type as t } from "@sinclair/typebox";
import type { RedisConnection } from "./connection.ts";
import { createKeyCache } from "./key-cache.ts";
import { apiKeyKey } from "./keys.ts";
import { newId } from "../../test/support/quota-samples.ts";
import { connectForTest } from "../../test/support/redis.ts";

const schema = t.Object({ userId: t.String(), active: t.Boolean() });
const record = { userId: "u", active: true };

let redis: RedisConnection;
const cacheOf = () => createKeyCache(redis, schema);

beforeAll(async () => {
  redis = await connectForTest();
});
afterAll(() => redis.close());

test("a record is kept for five minutes", async () => {
  const hash = newId();

  await cacheOf().set(hash, record);

  expect(await cacheOf().get(hash)).toEqual(record);
  const ttl = await redis.run(({ client }) => client.ttl(apiKeyKey(hash)));
  expect(ttl).toBeWithin(290, 301);
});

test("a record of another shape, written by another version, is absent", async () => {
  const hash = newId();
  await redis.run(({ client }) => client.set(apiKeyKey(hash), `{"userId":7}`, "EX", 60));

  expect(await cacheOf().get(hash)).toBeUndefined();
});
