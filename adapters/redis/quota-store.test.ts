import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import type { QuotaLimits, QuotaTruth } from "../../core/quota/quota.ts";
import { dayOf } from "../../core/quota/windows.ts";
import type { RedisConnection } from "./connection.ts";
import { booksKeys, counterKeys } from "./keys.ts";
import { createQuotaStore, type QuotaStore } from "./quota-store.ts";
import { freshTruth, limitsOf, newId } from "../../test/support/quota-samples.ts";
import { connectForTest } from "../../test/support/redis.ts";

let redis: RedisConnection;
let store: QuotaStore;

beforeAll(async () => {
  redis = await connectForTest();
  store = createQuotaStore(redis);
});
afterAll(() => redis.close());

async function loadUser(truth: QuotaTruth): Promise<string> {
  const userId = newId();
  await loadInto(store, userId, truth);
  return userId;
}
async function loadInto(into: QuotaStore, userId: string, truth: QuotaTruth): Promise<void> {
  const ticket = await into.beginLoad(userId);
  if (ticket === undefined) throw new Error("the user is loaded already");
  expect(await into.load(userId, ticket, truth)).toBe("loaded");
}
const loadFresh = (limits: QuotaLimits) => loadUser(freshTruth(limits));

test("the script names windows as UTC calendar days on every date", async () => {
  let nowMs = 0;
  const clocked = createQuotaStore(redis, { clockMs: () => nowMs });
  const userId = await loadFresh(limitsOf());
  const dates = fc.oneof(
    fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2120, 0, 1) }),
    fc
      .tuple(fc.integer({ min: 2020, max: 2110 }), fc.nat(11), fc.integer({ min: -1, max: 1 }))
      .map(([year, month, ms]) => Date.UTC(year, month, 1) + ms),
  );

  await fc.assert(
    fc.asyncProperty(dates, async (atMs) => {
      nowMs = atMs;
      // A clock that went back makes the user unknown.
      await clocked.forget(userId);
      await loadInto(clocked, userId, freshTruth(limitsOf()));
      expect(await clocked.read(userId)).toMatchObject({ atMs, day: dayOf(atMs) });
    }),
    { numRuns: 500, examples: [[Date.UTC(2100, 1, 28)], [Date.UTC(2028, 1, 29)]] },
  );
});

test("a user whose marker or one of whose limits is gone is unknown, not unlimited", async () => {
  for (const key of ["marker", "dailyTokensLimit", "concurrentLimit"] as const) {
    const userId = await loadFresh(limitsOf({ dailyTokens: 1 }));
    await redis.run(({ client }) => client.del(booksKeys(userId)[key]));

    expect(await store.admit({ userId, requestId: newId(), tokens: 5 })).toEqual({
      kind: "unknown",
    });
    expect(await store.read(userId)).toBeUndefined();
  }
});

const NEW_YEARS_EVE_MS = Date.UTC(2027, 11, 31, 23, 59);
const NEW_YEAR_MS = Date.UTC(2028, 0, 1);

test("a new day makes nobody unknown, a counter of it that is lost does", async () => {
  let nowMs = NEW_YEARS_EVE_MS;
  const clocked = createQuotaStore(redis, { clockMs: () => nowMs });
  const userId = newId();
  const admit = async () => (await clocked.admit({ userId, requestId: newId(), tokens: 5 })).kind;
  await loadInto(clocked, userId, freshTruth(limitsOf()));
  const evening = await admit();

  nowMs = NEW_YEAR_MS;
  const morning = [await admit(), await admit()];
  const kinds: string[] = [];
  for (const key of counterKeys(userId, dayOf(nowMs)).filter((name) => !name.includes("failed"))) {
    await redis.run(({ client }) => client.del(key));
    kinds.push(await admit());
    await loadInto(clocked, userId, freshTruth(limitsOf()));
  }

  expect([evening, ...morning]).toEqual(["admitted", "admitted", "admitted"]);
  expect(kinds).toEqual(Array(6).fill("unknown"));
});

test("a late settlement does not bring back windows that are long gone", async () => {
  const day = "2027-04-02";
  const clocked = createQuotaStore(redis, { clockMs: () => Date.UTC(2027, 4, 10) });
  const [userId, requestId] = [newId(), newId()];
  const holds = [{ userId, requestId, day, tokens: 7 }];
  await loadInto(clocked, userId, { limits: limitsOf(), days: [], holds });

  const end = { billedTokens: 3, failedExecutions: 1, expectHold: true };
  await clocked.settle([{ userId, requestId, ...end }]);

  const [ofDay, , held, , ofMonth, ...others] = await redis.run(({ client }) =>
    client.mget(counterKeys(userId, day)),
  );
  expect([ofDay, ofMonth, others.at(-1), held]).toEqual([null, null, null, "0"]);
  expect((await clocked.read(userId))?.openRequests).toBe(0);
});

async function failTwice(userId: string): Promise<void> {
  const requestId = newId();
  await store.admit({ userId, requestId, tokens: 5 });
  const end = { billedTokens: 0, failedExecutions: 2, expectHold: true };
  await store.settle([{ userId, requestId, ...end }]);
}

test("a user whose limits on failures are gone is unknown once they matter, not unlimited", async () => {
  const users = [await loadFresh(limitsOf()), await loadFresh(limitsOf({ dailyFailed: 2 }))];
  for (const userId of users)
    await redis.run(({ client }) => client.del(booksKeys(userId).failedLimits));
  const [reader = "", failing = ""] = users;

  const read = await store.read(reader);
  await failTwice(failing);

  expect(read).toBeUndefined();
  for (const userId of users)
    expect(await store.admit({ userId, requestId: newId(), tokens: 5 })).toEqual({
      kind: "unknown",
    });
});

test("what failed is counted by the load alone, although the other counters were lost", async () => {
  const userId = await loadFresh(limitsOf({ monthlyFailed: 2 }));
  await failTwice(userId);
  const lost = counterKeys(userId, dayOf(Date.now())).filter((key) => !key.includes(":failed:"));
  await redis.run(({ client }) => client.del(...lost));

  await store.forget(userId);
  const ticket = await store.beginLoad(userId);
  if (ticket === undefined) throw new Error("the user is loaded already");
  await store.load(userId, ticket, freshTruth(limitsOf({ monthlyFailed: 2 })));

  const { kind } = await store.admit({ userId, requestId: newId(), tokens: 5 });
  expect(kind).toBe("admitted");
  expect((await store.read(userId))?.failedExecutions.monthly.used).toBe(0);
});

test("a load restores tens of thousands of open requests", async () => {
  const day = dayOf(Date.now());
  const holds = Array.from({ length: 20_000 }, () => ({
    userId: "u",
    requestId: newId(),
    day,
    tokens: 3,
  }));

  const userId = await loadUser({ limits: limitsOf(), days: [], holds });

  expect(await store.read(userId)).toMatchObject({
    openRequests: 20_000,
    windows: { daily: { used: { requests: 20_000, tokens: 60_000 } } },
  });
});

test("every key of a user has a time to live, and all sit in one cluster slot", async () => {
  const userId = await loadFresh(limitsOf({ monthlyFailed: 2 }));
  const requestId = newId();
  await store.admit({ userId, requestId, tokens: 5 });
  await failTwice(userId);
  await store.forget(userId);
  await store.beginLoad(userId);
  await store.settle([
    { userId, requestId, billedTokens: 4, failedExecutions: 0, expectHold: false },
  ]);
  await store.settle([
    { userId, requestId, billedTokens: 4, failedExecutions: 0, expectHold: false },
  ]);

  const keys = await redis.run(({ client }) => client.keys(`*${userId}*`));

  expect(keys.length).toBeGreaterThan(17);
  for (const key of keys) {
    expect(key).toStartWith(`user:{${userId}}:`);
    expect(await redis.run(({ client }) => client.pttl(key))).toBeGreaterThan(0);
  }
});
