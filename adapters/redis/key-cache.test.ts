import { afterAll, beforeAll, expect, test } from "bun:test";
import { Type as t } from "@sinclair/typebox";
import type { RedisConnection } from "./connection.ts";
import { createKeyHash } from "../crypto/key-hash.ts";
import { createKeyCache } from "./key-cache.ts";
import { apiKeyKey } from "./keys.ts";
import { newId } from "../../test/support/quota-samples.ts";
import { connectForTest } from "../../test/support/redis.ts";

const schema = t.Object({ userId: t.String(), active: t.Boolean() });
const record = { userId: "u", active: true };

let redis: RedisConnection;
let forged = 0;
const cacheOf = ({ pepper = "pepper", now = Date.now } = {}) =>
  createKeyCache(redis, schema, {
    hash: createKeyHash(pepper),
    now,
    onForged: () => (forged += 1),
  });

/** Writes as somebody who has Redis and no pepper. */
const write = (hash: string, stored: string): Promise<unknown> =>
  redis.run(({ client }) => client.set(apiKeyKey(hash), stored, "EX", 60));
const stored = async (hash: string): Promise<string> =>
  (await redis.run(({ client }) => client.get(apiKeyKey(hash)))) ?? "";

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
  const other = { hash: createKeyHash("pepper"), now: Date.now, onForged: () => {} };
  await createKeyCache(redis, t.Object({ userId: t.Number() }), other).set(hash, { userId: 7 });

  expect(await cacheOf().get(hash)).toBeUndefined();
});

test("a record that no gateway wrote is not believed, and counted", async () => {
  const [mine, theirs] = [newId(), newId()];
  await cacheOf().set(theirs, { ...record, userId: "victim" });
  await cacheOf({ pepper: "guessed" }).set(mine, { ...record, userId: "victim" });
  const guessed = await stored(mine);
  const changed = (await stored(theirs)).replace("victim", "forger");

  for (const forgery of [
    JSON.stringify(record),
    guessed,
    // Of another key, as it is.
    await stored(theirs),
    changed,
    "",
    "nonsense",
  ]) {
    const before = forged;
    await write(mine, forgery);

    expect(await cacheOf().get(mine)).toBeUndefined();
    // The empty place of a deleted record says nothing.
    expect(forged - before).toBe(forgery === "" ? 0 : 1);
  }
  await write(theirs, changed);
  expect(await cacheOf().get(theirs)).toBeUndefined();
});

test("a record that was kept aside and put back later is of no use", async () => {
  const hash = newId();
  await cacheOf({ now: () => Date.now() - 400_000 }).set(hash, record);

  expect(await cacheOf().get(hash)).toBeUndefined();
  const fromAheadOfTime = newId();
  await cacheOf({ now: () => Date.now() + 400_000 }).set(fromAheadOfTime, record);
  expect(await cacheOf().get(fromAheadOfTime)).toBeUndefined();
});
