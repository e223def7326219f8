import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createQuotaGate, type QuotaGate } from "../quota/quota-gate.ts";
import { freshTruth, limitsOf, newId } from "../../test/support/quota-samples.ts";
import {
  booksAtRest,
  createTables,
  passThrough,
  type Tables,
} from "../../test/support/quota-traffic.ts";
import { connectForTest } from "../../test/support/redis.ts";
import type { RedisConnection } from "./connection.ts";
import { createHoldBooks } from "./holds.ts";
import { booksKeys, userKey } from "./keys.ts";
import { createQuotaStore, type QuotaStore } from "./quota-store.ts";

setDefaultTimeout(60_000);

const LIMIT = 1_000;
const PARALLEL = 8;

let redis: RedisConnection;
let store: QuotaStore;
beforeAll(async () => {
  redis = await connectForTest();
  store = createQuotaStore(redis);
});
afterAll(() => redis.close());

const del = (...keys: string[]): Promise<number> => redis.run(({ client }) => client.del(...keys));

/** The books of a user whom a request has open, without the user's name. */
async function keyNames(): Promise<string[]> {
  const userId = newId();
  const limits = limitsOf({ dailyRequests: LIMIT });
  const gate = createQuotaGate({ ...store, readTruth: createTables(userId, limits).readTruth });
  await gate.admitOrRebuild({ userId, requestId: newId(), tokens: 10 });
  const keys = await redis.run(({ client }) => client.keys(`${userKey(userId)}:*`));
  return keys.map((key) => key.slice(userKey(userId).length)).toSorted();
}

/** Requests of one user until `wanted` more were admitted, or until all are refused. */
async function run(tables: Tables, gate: QuotaGate, wanted: number, lose: () => Promise<unknown>) {
  const counts = { asking: 0, admitted: 0, refused: 0, refusedTooEarly: 0 };
  const before = tables.billed.size;
  const one = async (): Promise<void> => {
    while (counts.admitted < wanted && counts.refused === 0) {
      counts.asking += 1;
      const isAdmitted = await passThrough(tables, gate, store);
      counts.asking -= 1;
      if (isAdmitted) counts.admitted += 1;
      else counts.refused += 1;
      // Whoever still asks may have been admitted already.
      const taken = before + counts.admitted + counts.asking;
      if (!isAdmitted && taken < LIMIT) counts.refusedTooEarly += 1;
      if (counts.admitted % 50 === 25) await lose();
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, one));
  return counts;
}

/** Loses keys of a user again and again under load, and once more when half of the quota is used. */
async function lossOf(keysOf: (user: string) => string[], { untilTheEnd = true } = {}) {
  const userId = newId();
  const tables = createTables(userId, limitsOf({ dailyRequests: LIMIT }));
  const gate = createQuotaGate({ ...store, readTruth: tables.readTruth });
  const keys = keysOf(userKey(userId));
  let lost = 0;
  const lose = async (): Promise<void> => {
    lost += await del(...keys);
  };
  const first = await run(tables, gate, LIMIT / 2, lose);
  // A load that may have missed a bill lasts two seconds.
  await Bun.sleep(2_100);
  const rest = await run(tables, gate, LIMIT, untilTheEnd ? lose : () => Promise.resolve());
  await Bun.sleep(2_100);

  const { quota, ledger } = await booksAtRest(tables, gate);
  return {
    isLost: lost > 0,
    refusedTooEarly: first.refused + rest.refusedTooEarly,
    admitted: ledger.requests,
    areBooksExact: Bun.deepEquals(quota, ledger),
  };
}

const UNHARMED = { isLost: true, refusedTooEarly: 0, admitted: LIMIT, areBooksExact: true };

test("whichever key of a user is lost under load, exactly what the limit allows is admitted", async () => {
  const names = await keyNames();
  expect(names.length).toBeGreaterThanOrEqual(17);

  const found = await Promise.all(
    names.map(async (name) => {
      // Of requests between their hold and their row nobody knows without the holds.
      const untilTheEnd = name !== ":holds";
      return [name, await lossOf((user) => [user + name], { untilTheEnd })] as const;
    }),
  );

  expect(Object.fromEntries(found)).toEqual(
    Object.fromEntries(names.map((name) => [name, UNHARMED])),
  );
});

test("whichever half of a user's keys is lost under load, the limit is admitted exactly", async () => {
  const names = (await keyNames()).filter((name) => name !== ":holds");
  const halves = Array.from({ length: 6 }, () => names.filter(() => Math.random() < 0.5));

  const found = await Promise.all(
    halves.map((half) => lossOf((user) => half.map((name) => user + name))),
  );

  expect(found).toEqual(halves.map(() => UNHARMED));
});

test.each(["loading", "settledLog"] as const)(
  "settlements during a load are not forgotten although %s is lost",
  async (name) => {
    const userId = newId();
    const tables = createTables(userId, limitsOf());
    const key = booksKeys(userId)[name];
    let lost = 0;
    const gate = createQuotaGate({
      ...store,
      readTruth: async (user, recent) => {
        const truth = await tables.readTruth(user, recent);
        for (const { requestId } of truth.holds.slice(0, 1)) await end(requestId);
        if (lost === 0) lost += await del(key);
        return truth;
      },
    });
    async function end(requestId: string): Promise<void> {
      tables.open.delete(requestId);
      tables.billed.set(requestId, 3);
      const bill = { billedTokens: 3, failedExecutions: 0, expectHold: true };
      await store.settle([{ userId, requestId, ...bill }]);
    }
    await gate.readOrRebuild(userId);
    for (let i = 0; i < 20; i += 1) {
      const requestId = newId();
      await gate.admitOrRebuild({ userId, requestId, tokens: 10 });
      tables.open.add(requestId);
    }
    lost = 0;

    await store.forget(userId);
    await gate.readOrRebuild(userId);
    await Promise.all([...tables.open].map(end));

    expect(lost).toBe(1);
    const { quota, ledger } = await booksAtRest(tables, gate);
    expect(quota).toEqual(ledger);
  },
);

test.each(["failedLimits", "dailyFailedUsed", "monthlyFailedUsed", "failuresBlock"] as const)(
  "no more executions may fail than the limit says although %s is lost again and again",
  async (name) => {
    const userId = newId();
    const limits = limitsOf(
      name === "monthlyFailedUsed" ? { monthlyFailed: 5 } : { dailyFailed: 5 },
    );
    const tables = createTables(userId, limits);
    const [day = ""] = (await tables.readTruth(userId, [])).days.map((row) => row.day);
    let failed = 0;
    const gate = createQuotaGate({
      ...store,
      readTruth: async () => ({
        limits,
        days: [{ day, requests: failed, tokens: 0, failedExecutions: failed }],
        holds: [],
      }),
    });
    const stem = booksKeys(userId)[name];
    const keys = name.endsWith("Used") ? [stem + day, stem + day.slice(0, 7)] : [stem];
    let refused = 0;

    for (let i = 0; i < 12; i += 1) {
      const requestId = newId();
      const { admitted } = await gate.admitOrRebuild({ userId, requestId, tokens: 10 });
      if (admitted) {
        failed += 1;
        const end = { billedTokens: 0, failedExecutions: 1, expectHold: true };
        await store.settle([{ userId, requestId, ...end }]);
      } else refused += 1;
      await del(...keys);
    }

    expect({ failed, refused }).toEqual({ failed: 5, refused: 7 });
  },
);

test("no more requests are open than the cap allows although the holds are lost", async () => {
  const userId = newId();
  const tables = createTables(userId, limitsOf({ concurrent: 3 }));
  const gate = createQuotaGate({ ...store, readTruth: tables.readTruth });
  const replies: boolean[] = [];

  for (let i = 0; i < 9; i += 1) {
    const requestId = newId();
    const { admitted } = await gate.admitOrRebuild({ userId, requestId, tokens: 10 });
    if (admitted) tables.open.add(requestId);
    replies.push(admitted);
    await del(booksKeys(userId).holds);
  }

  expect(replies).toEqual([true, true, true, ...Array<boolean>(6).fill(false)]);
});

test("a hold that was lost with all others is not taken for settled, also on the next day", async () => {
  const DAY_MS = 86_400_000;
  const yesterday = createQuotaStore(redis, { clockMs: () => Date.now() - DAY_MS });
  const [userId, settled, lost] = [newId(), newId(), newId()];
  const { holds, loadedAt } = booksKeys(userId);
  const fates = () =>
    createHoldBooks(redis).holdFates([settled, lost].map((requestId) => ({ userId, requestId })));
  const ticket = await yesterday.beginLoad(userId);
  if (ticket === undefined) throw new Error("a new user is loaded already");
  await yesterday.load(userId, ticket, freshTruth(limitsOf()));
  await redis.run(({ client }) => client.set(loadedAt, Date.now() - DAY_MS, "PX", DAY_MS));
  for (const requestId of [settled, lost]) await yesterday.admit({ userId, requestId, tokens: 7 });
  const end = { billedTokens: 7, failedExecutions: 0, expectHold: true };
  await yesterday.settle([{ userId, requestId: settled, ...end }]);
  const before = await fates();

  await del(holds);
  await store.admit({ userId, requestId: newId(), tokens: 7 });

  expect(before).toEqual(["gone", "held"]);
  expect(await fates()).toEqual(["unknown", "unknown"]);
});
