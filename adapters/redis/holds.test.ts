import { afterAll, beforeAll, expect, test } from "bun:test";
import { dayOf } from "../../core/windows.ts";
import type { RedisConnection } from "./connection.ts";
import type { AgedHold } from "../../core/quota/quota.ts";
import { createHoldBooks, type HoldBooks } from "./holds.ts";
import { booksKeys } from "./keys.ts";
import { createQuotaStore, type QuotaStore } from "./quota-store.ts";
import {
  asInstance,
  connectForTest,
  freshTruth,
  limitsOf,
  newId,
} from "../../test/support/redis.ts";

let redis: RedisConnection;
let store: QuotaStore;
let books: HoldBooks;

beforeAll(async () => {
  redis = await connectForTest();
  store = createQuotaStore(redis);
  books = createHoldBooks(redis);
});
afterAll(() => redis.close());

async function loadUser(): Promise<string> {
  const userId = newId();
  const ticket = await store.beginLoad(userId);
  if (ticket === undefined) throw new Error("a new user is loaded already");
  await store.load(userId, ticket, freshTruth(limitsOf()));
  return userId;
}

async function admitMany(userId: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, newId);
  await Promise.all(ids.map((requestId) => store.admit({ userId, requestId, tokens: 7 })));
  return ids;
}

test("a scan finds every open hold of every user, in pages of bounded size", async () => {
  const [small, large] = [await loadUser(), await loadUser()];
  const ids = [...(await admitMany(small, 1)), ...(await admitMany(large, 5_000))];
  const found = new Map<string, AgedHold>();
  let pageMax = 0;

  for await (const page of books.scanHolds()) {
    pageMax = Math.max(pageMax, page.length);
    for (const hold of page) found.set(hold.requestId, hold);
  }

  expect(ids.every((id) => found.has(id))).toBe(true);
  expect(pageMax).toBeLessThan(2_000);
  expect(found.get(ids[0] ?? "")).toMatchObject({
    userId: small,
    tokens: 7,
    day: dayOf(Date.now()),
  });
  const heldForMs = found.get(ids[0] ?? "")?.heldForMs ?? 0;
  expect([heldForMs > 0, heldForMs < 60_000]).toEqual([true, true]);
});

test("the books of several users are read in order, those not loaded as unknown", async () => {
  const userId = await loadUser();
  const [requestId] = await admitMany(userId, 1);
  const amount = { requests: 1, tokens: 7 };

  const [known, unknown] = await books.readBooks([userId, newId()]);

  expect(known).toEqual({
    day: dayOf(Date.now()),
    windows: { daily: { used: amount, held: amount }, monthly: { used: amount, held: amount } },
    holds: [
      { userId, requestId, tokens: 7, day: dayOf(Date.now()), takenAtMs: expect.any(Number) },
    ],
  } as never);
  expect(unknown).toBeUndefined();
});

test("a hold counts as gone only when the user was loaded well before the request was made", async () => {
  const userId = await loadUser();
  const [held = ""] = await admitMany(userId, 1);
  const missing = newId();
  const fates = () => books.holdFates([held, missing].map((requestId) => ({ userId, requestId })));

  expect(await fates()).toEqual(["held", "unknown"]);

  await redis.run(({ client }) => client.set(booksKeys(userId).loadedAt, Date.now() - 120_000));
  expect(await fates()).toEqual(["held", "gone"]);

  const restarted = createHoldBooks(asInstance(redis, "another-run"));
  expect(await restarted.holdFates([{ userId, requestId: held }])).toEqual(["unknown"]);
});

test("what is not ours among the keys of one user hides no other user", async () => {
  const [wrongType, outOfShape, noNumber, sound] = [
    await loadUser(),
    await loadUser(),
    await loadUser(),
    await loadUser(),
  ];
  const [requestId = ""] = await admitMany(sound, 1);
  await redis.run(async ({ client }) => {
    await client.lpush(booksKeys(wrongType).holds, "not ours");
    await client.hset(booksKeys(outOfShape).holds, newId(), "not ours");
    await client.set(booksKeys(noNumber).dailyTokensUsed + dayOf(Date.now()), "not ours", "EX", 60);
  });

  const read = await books.readBooks([wrongType, outOfShape, noNumber, sound]);
  const fates = await books.holdFates([
    { userId: wrongType, requestId: newId() },
    { userId: sound, requestId },
  ]);
  const found = new Set<string>();
  for await (const page of books.scanHolds()) for (const hold of page) found.add(hold.requestId);

  expect(read.slice(0, 3)).toEqual(["broken", "broken", "broken"]);
  expect(read[3]).toMatchObject({ holds: [{ requestId }] });
  expect(fates).toEqual(["unknown", "held"]);
  expect(found.has(requestId)).toBe(true);
  for (const userId of [wrongType, outOfShape])
    await redis.run(({ client }) => client.del(booksKeys(userId).holds));
});
