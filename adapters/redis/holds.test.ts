import { afterAll, beforeAll, expect, test } from "bun:test";
import type { RedisConnection } from "./connection.ts";
import { createHoldBooks, type HoldBooks } from "./holds.ts";
import { createQuotaStore, type QuotaStore } from "./quota-store.ts";
import { freshTruth, limitsOf, newId } from "../../test/support/quota-samples.ts";
import { connectForTest } from "../../test/support/redis.ts";

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
  const found = new Set<string>();
  let pageMax = 0;

  for await (const page of books.scanHolds()) {
    pageMax = Math.max(pageMax, page.length);
    for (const hold of page) found.add(hold.requestId);
  }

  expect(ids.every((id) => found.has(id))).toBe(true);
  expect(pageMax).toBeLessThan(2_000);
});
