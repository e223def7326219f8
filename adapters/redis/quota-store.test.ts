import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import type { QuotaLimits, QuotaTruth } from "../../core/quota/quota.ts";
import { dayOf } from "../../core/windows.ts";
import type { RedisConnection } from "./connection.ts";
import { booksKeys, startedKey } from "./keys.ts";
import { createQuotaStore, type QuotaStore } from "./quota-store.ts";
import {
  asInstance,
  connectForTest,
  freshTruth,
  limitsOf,
  newId,
} from "../../test/support/redis.ts";

let redis: RedisConnection;
let otherRedis: RedisConnection;
let store: QuotaStore;

beforeAll(async () => {
  [redis, otherRedis] = await Promise.all([connectForTest(), connectForTest()]);
  store = createQuotaStore(redis);
});
afterAll(() => {
  redis.close();
  otherRedis.close();
});

async function loadUser(truth: QuotaTruth, into: QuotaStore = store): Promise<string> {
  const userId = newId();
  const ticket = await into.beginLoad(userId);
  if (ticket === undefined) throw new Error("a new user is loaded already");
  expect(await into.load(userId, ticket, truth)).toBe("loaded");
  return userId;
}
const loadFresh = (limits: QuotaLimits, into?: QuotaStore) => loadUser(freshTruth(limits), into);

async function usedTokens(userId: string, from: QuotaStore = store) {
  const snapshot = await from.read(userId);
  return [snapshot?.windows.daily.used.tokens, snapshot?.windows.monthly.used.tokens];
}

test("of 1000 admissions at once on two connections exactly those are admitted that fit", async () => {
  const userId = await loadFresh(limitsOf({ dailyTokens: 370, monthlyTokens: 1_000_000 }));
  const stores = [store, createQuotaStore(otherRedis)];

  const replies = await Promise.all(
    Array.from({ length: 1_000 }, (_, i) =>
      (stores[i % 2] ?? store).admit({ userId, requestId: newId(), tokens: 10 }),
    ),
  );

  expect(replies.filter(({ kind }) => kind === "admitted")).toHaveLength(37);
  expect(replies.filter(({ kind }) => kind === "refused")).toHaveLength(963);
  expect(await usedTokens(userId)).toEqual([370, 370]);
});

test.each([
  ["daily requests", limitsOf({ dailyRequests: 1 })],
  ["daily tokens", limitsOf({ dailyTokens: 19 })],
  ["monthly requests", limitsOf({ monthlyRequests: 1 })],
  ["monthly tokens", limitsOf({ monthlyTokens: 19 })],
  ["open requests", limitsOf({ concurrent: 1 })],
])("when %s are short nothing is taken anywhere", async (_, limits) => {
  const userId = await loadFresh(limits);
  await store.admit({ userId, requestId: newId(), tokens: 10 });
  const before = await store.read(userId);

  const reply = await store.admit({ userId, requestId: newId(), tokens: 10 });

  expect(reply.kind).toBe("refused");
  expect(await store.read(userId)).toEqual({ ...before, atMs: expect.any(Number) } as never);
});

test("an admission repeated takes nothing twice, even when the window is full by then", async () => {
  const userId = await loadFresh(limitsOf({ dailyTokens: 10 }));
  const admission = { userId, requestId: newId(), tokens: 10 };

  const kinds = [(await store.admit(admission)).kind, (await store.admit(admission)).kind];

  expect(kinds).toEqual(["admitted", "admitted"]);
  expect(await usedTokens(userId)).toEqual([10, 10]);
});

test("a settlement is charged once however often it is asked", async () => {
  const userId = await loadFresh(limitsOf());
  const requestId = newId();
  await store.admit({ userId, requestId, tokens: 100 });
  const settlement = { userId, requestId, billedTokens: 40, expectHold: false };

  const replies = await store.settle([settlement, settlement, settlement]);

  expect(replies).toEqual(["settled", "absent", "absent"]);
  expect(await usedTokens(userId)).toEqual([40, 40]);
});

test("more than was held is charged in full and the next request is refused", async () => {
  const userId = await loadFresh(limitsOf({ dailyTokens: 100 }));
  const requestId = newId();
  await store.admit({ userId, requestId, tokens: 90 });

  await store.settle([{ userId, requestId, billedTokens: 130, expectHold: true }]);

  expect(await usedTokens(userId)).toEqual([130, 130]);
  expect((await store.admit({ userId, requestId: newId(), tokens: 0 })).kind).toBe("refused");
});

test("a release gives back the request and all its tokens", async () => {
  const userId = await loadFresh(limitsOf({ dailyRequests: 1 }));
  const requestId = newId();
  const before = await store.read(userId);
  await store.admit({ userId, requestId, tokens: 90 });

  await store.settle([{ userId, requestId, billedTokens: null, expectHold: true }]);

  expect(await store.read(userId)).toEqual({ ...before, atMs: expect.any(Number) } as never);
});

test("a settlement after midnight at the end of a month goes to the windows that were charged", async () => {
  let nowMs = Date.UTC(2028, 1, 29, 23, 59, 59, 900);
  const clocked = createQuotaStore(redis, { clockMs: () => nowMs });
  const userId = await loadFresh(limitsOf(), clocked);
  const requestId = newId();
  await clocked.admit({ userId, requestId, tokens: 100 });

  nowMs += 200;
  await clocked.settle([{ userId, requestId, billedTokens: 30, expectHold: true }]);

  expect(await usedTokens(userId, clocked)).toEqual([0, 0]);
  nowMs -= 200;
  expect(await usedTokens(userId, clocked)).toEqual([30, 30]);
});

test("a late settlement does not bring back windows that are long gone", async () => {
  let nowMs = Date.UTC(2027, 4, 10);
  const clocked = createQuotaStore(redis, { clockMs: () => nowMs });
  const truth: QuotaTruth = {
    limits: limitsOf(),
    days: [],
    holds: [{ userId: "u", requestId: newId(), day: "2027-04-02", tokens: 7 }],
  };
  const userId = await loadUser(truth, clocked);
  const requestId = truth.holds[0]?.requestId ?? "";

  await clocked.settle([{ userId, requestId, billedTokens: 3, expectHold: true }]);

  nowMs = Date.UTC(2027, 3, 2);
  expect(await usedTokens(userId, clocked)).toEqual([0, 0]);
});

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

test("after a restart of Redis, seen as another run_id, nobody is admitted before being loaded again", async () => {
  const userId = await loadFresh(limitsOf({ dailyTokens: 50 }));
  const restarted = createQuotaStore(asInstance(redis, "another-run"));

  expect((await restarted.admit({ userId, requestId: newId(), tokens: 5 })).kind).toBe("unknown");

  const ticket = await restarted.beginLoad(userId);
  if (ticket === undefined) throw new Error("the load was not begun");
  await restarted.load(userId, ticket, {
    limits: limitsOf({ dailyTokens: 50 }),
    days: [{ day: dayOf(Date.now()), requests: 1, tokens: 48 }],
    holds: [],
  });
  expect((await restarted.admit({ userId, requestId: newId(), tokens: 5 })).kind).toBe("refused");
});

test("a ticket given out before a restart loads nothing after it", async () => {
  const userId = newId();
  const ticket = await store.beginLoad(userId);
  if (ticket === undefined) throw new Error("the load was not begun");
  const restarted = createQuotaStore(asInstance(redis, "another-run"));

  expect(await restarted.load(userId, ticket, freshTruth(limitsOf()))).toBe("superseded");
});

test("a settlement that misses the hold it expects makes the user be rebuilt", async () => {
  const userId = await loadFresh(limitsOf());
  const missing = { userId, requestId: newId(), billedTokens: 5 };

  await store.settle([{ ...missing, expectHold: false }]);
  expect(await store.read(userId)).toBeDefined();
  await redis.run(({ client }) =>
    client.set(booksKeys(userId).loadedAt, Date.now() - 2_500, "EX", 60),
  );
  await store.settle([{ ...missing, expectHold: true }]);
  expect(await store.read(userId)).toBeUndefined();
});

test("a settlement that misses its hold right after a load leaves the user known for two seconds, so that loads do not cause each other", async () => {
  const userId = await loadFresh(limitsOf());

  await store.settle([{ userId, requestId: newId(), billedTokens: 5, expectHold: true }]);

  expect(await store.read(userId)).toBeDefined();
  const ttlMs = await redis.run(({ client }) => client.pttl(booksKeys(userId).marker));
  expect(ttlMs).toBeWithin(1, 2_001);
});

test("changed limits count from the next admission, and call off a load that read the old ones", async () => {
  const userId = await loadFresh(limitsOf({ dailyTokens: 10 }));
  await store.setLimits(userId, limitsOf({ dailyTokens: 1_000 }));
  expect((await store.admit({ userId, requestId: newId(), tokens: 500 })).kind).toBe("admitted");

  await store.forget(userId);
  const ticket = await store.beginLoad(userId);
  if (ticket === undefined) throw new Error("the load was not begun");
  await store.setLimits(userId, limitsOf({ dailyTokens: 5 }));
  expect(await store.load(userId, ticket, freshTruth(limitsOf()))).toBe("superseded");
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
  const userId = await loadFresh(limitsOf());
  const requestId = newId();
  await store.admit({ userId, requestId, tokens: 5 });
  await store.forget(userId);
  await store.beginLoad(userId);
  await store.settle([{ userId, requestId, billedTokens: 4, expectHold: false }]);
  await store.settle([{ userId, requestId, billedTokens: 4, expectHold: false }]);

  const keys = await redis.run(({ client }) => client.keys(`*${userId}*`));

  expect(keys.length).toBeGreaterThan(13);
  for (const key of keys) {
    expect(key).toStartWith(`user:{${userId}}:`);
    expect(await redis.run(({ client }) => client.pttl(key))).toBeGreaterThan(0);
  }
});

test("settling ends the mark that an attempt is under way", async () => {
  const userId = await loadFresh(limitsOf());
  const requestId = newId();
  await redis.run(({ client }) => client.hset(startedKey(userId, requestId), "attempt", 1));

  await store.settle([{ userId, requestId, billedTokens: 4, expectHold: false }]);

  expect(await redis.run(({ client }) => client.exists(startedKey(userId, requestId)))).toBe(0);
});

const BREAK = {
  "holds of another type": (userId: string) =>
    redis.run(async ({ client }) => {
      await client.del(booksKeys(userId).holds);
      await client.lpush(booksKeys(userId).holds, "not ours");
    }),
  "a hold out of shape": (userId: string, requestId: string) =>
    redis.run(({ client }) => client.hset(booksKeys(userId).holds, requestId, "not ours")),
  "a counter that is no number": (userId: string) =>
    redis.run(({ client }) =>
      client.set(booksKeys(userId).dailyTokensUsed + dayOf(Date.now()), "not ours", "EX", 60),
    ),
} as const;

test.each(Object.keys(BREAK) as (keyof typeof BREAK)[])(
  "%s of one user stops no other settlement, and that user is rebuilt",
  async (kind) => {
    const [broken, sound] = [await loadFresh(limitsOf()), await loadFresh(limitsOf())];
    const [a, b, c] = [newId(), newId(), newId()];
    await store.admit({ userId: broken, requestId: a, tokens: 10 });
    await store.admit({ userId: sound, requestId: b, tokens: 10 });
    await store.admit({ userId: sound, requestId: c, tokens: 10 });
    await BREAK[kind](broken, a);

    const replies = await store.settle([
      { userId: sound, requestId: b, billedTokens: 4, expectHold: true },
      { userId: broken, requestId: a, billedTokens: 4, expectHold: true },
      { userId: sound, requestId: c, billedTokens: 4, expectHold: true },
    ]);

    expect(replies).toEqual(["settled", "broken", "settled"]);
    expect(await usedTokens(sound)).toEqual([8, 8]);
    expect(await store.read(broken)).toBeUndefined();
    const ticket = await store.beginLoad(broken);
    if (ticket === undefined) throw new Error("the user is loaded already");
    const truth = {
      ...freshTruth(limitsOf()),
      days: [{ day: dayOf(Date.now()), requests: 1, tokens: 4 }],
    };
    expect(await store.load(broken, ticket, truth)).toBe("loaded");
    expect(await usedTokens(broken)).toEqual([4, 4]);
  },
);

test.each(Object.keys(BREAK) as (keyof typeof BREAK)[])(
  "a user with %s who is forgotten can be loaded, and has what was loaded",
  async (kind) => {
    const userId = await loadFresh(limitsOf());
    const requestId = newId();
    await store.admit({ userId, requestId, tokens: 10 });
    await BREAK[kind](userId, requestId);

    await store.forget(userId);
    const ticket = await store.beginLoad(userId);
    if (ticket === undefined) throw new Error("the user is loaded already");
    const { recentRequestIds: unstored } = ticket;
    const truth = { ...freshTruth(limitsOf()), unstored };
    await store.load(userId, ticket, truth);

    expect((await store.read(userId))?.windows.daily.used.tokens).toBeWithin(0, 11);
    expect((await store.admit({ userId, requestId: newId(), tokens: 1 })).kind).toBe("admitted");
  },
);
