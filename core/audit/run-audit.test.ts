import { expect, test } from "bun:test";

import type { LedgerAnomaly, LedgerBooks, QuotaBooks, SumAnomaly } from "./books.ts";
import type { Hold } from "../quota/quota.ts";
import { runAudit } from "./run-audit.ts";
import { pause } from "../../runtime/schedule.ts";
import { createFakeClock } from "../../test/support/clock.ts";

const DAY = "2026-11-21";

const booksOf = (used: number, holds: Hold[] = []): QuotaBooks => {
  const held = {
    requests: holds.length,
    tokens: holds.reduce((sum, { tokens }) => sum + tokens, 0),
  };
  const window = { used: { requests: 1 + held.requests, tokens: used + held.tokens }, held };
  const failedExecutions = { daily: 0, monthly: 0 };
  return { day: DAY, windows: { daily: window, monthly: window }, failedExecutions, holds };
};
const ledgerOf = (tokens: number, holds: Hold[] = []): LedgerBooks => ({
  days: [{ day: DAY, requests: 1, tokens, failedExecutions: 0 }],
  holds,
});
const hold = (requestId: string): Hold => ({ userId: "u", requestId, day: DAY, tokens: 10 });

/** Reads the given books; `next` plays the readings of a user one after the other, the last one repeats. */
function setUp(
  users: Record<string, { redis: (QuotaBooks | "broken" | undefined)[]; postgres: LedgerBooks[] }>,
) {
  const clock = createFakeClock(0);
  const rebuilt: string[] = [];
  const readings = new Map<string, number>();
  const anomalies: LedgerAnomaly[] = [];
  const sums: SumAnomaly[] = [];
  const names = Object.keys(users);
  const at = <Value>(series: Value[] | undefined, reading: number): Value | undefined =>
    series?.[Math.min(reading, series.length - 1)];
  const ports = {
    pause: (ms: number, signal: AbortSignal) => pause(clock.schedule, ms, signal),
    userIds: async (after: string | null, limit: number) => {
      const items = names.filter((name) => after === null || name > after).slice(0, limit);
      const last = items.at(-1) ?? null;
      return { items, next: last === names.at(-1) ? null : last };
    },
    readBooks: async (ids: readonly string[]) =>
      ids.map((id) => at(users[id]?.redis, readings.get(id) ?? 0)),
    readLedger: async (ids: readonly string[]) =>
      ids.map((id) => {
        const reading = readings.get(id) ?? 0;
        readings.set(id, reading + 1);
        return at(users[id]?.postgres, reading) ?? ledgerOf(0);
      }),
    countRequests: async () => ({
      accepted: 1,
      queued: 0,
      completed: 1,
      failed: 0,
      cancelled: 0,
      expired: 0,
    }),
    ledgerAnomalies: async () => anomalies,
    sumAnomalies: async () => sums,
    standings: async (ids: readonly string[]) =>
      ids.map((id) =>
        id === "known"
          ? { state: "queued" as const, billedTokens: null, failedExecutions: 0 }
          : undefined,
      ),
    rebuildUser: async (userId: string) => void rebuilt.push(userId),
  };
  const audit = async (options: Parameters<typeof runAudit>[1] = {}, more = {}) => {
    const report = runAudit({ ...ports, ...more }, options);
    await clock.advance(10_000);
    return report;
  };
  return { audit, rebuilt, anomalies, sums };
}

test("books that agree are consistent, and the holds are counted", async () => {
  const { audit } = setUp({
    u: { redis: [booksOf(30, [hold("a")])], postgres: [ledgerOf(30, [hold("a")])] },
    v: { redis: [undefined], postgres: [ledgerOf(5)] },
  });

  expect(await audit()).toMatchObject({
    isConsistent: true,
    users: 1,
    usersNotLoaded: 1,
    holdsOpen: 1,
    driftTokens: 0,
    differences: [],
  });
});

test("a drift that stays is reported with its amount, and mended only when that was asked for", async () => {
  const users = { u: { redis: [booksOf(25)], postgres: [ledgerOf(30)] } };
  const [looking, mending] = [setUp(users), setUp(users)];

  const report = await looking.audit();
  const mended = await mending.audit({ repair: true });

  expect(report).toMatchObject({ isConsistent: false, driftTokens: 5, differencesTotal: 2 });
  expect(looking.rebuilt).toEqual([]);
  expect(mended).toMatchObject({ isConsistent: false, usersRepaired: 1 });
  expect(mending.rebuilt).toEqual(["u"]);
});

test("a user with something that is not ours is a difference of its own, mended like others", async () => {
  const users = {
    broken: { redis: ["broken" as const], postgres: [ledgerOf(30)] },
    sound: { redis: [booksOf(30)], postgres: [ledgerOf(30)] },
  };
  const { audit, rebuilt } = setUp(users);

  const report = await audit({ repair: true });

  expect(report).toMatchObject({
    users: 2,
    differences: [{ kind: "books_broken", userId: "broken" }],
    usersRepaired: 1,
  });
  expect(rebuilt).toEqual(["broken"]);
});

test("a request on its way between the two readings is no difference", async () => {
  const { audit, rebuilt } = setUp({
    u: { redis: [booksOf(0, [hold("a")]), booksOf(30)], postgres: [ledgerOf(30)] },
  });

  expect(await audit({ repair: true })).toMatchObject({ isConsistent: true });
  expect(rebuilt).toEqual([]);
});

test("a user that is off by the same amount for another request each time is not reported", async () => {
  const { audit } = setUp({
    u: {
      redis: [booksOf(0, [hold("a")]), booksOf(0, [hold("b")]), booksOf(0, [hold("c")])],
      postgres: [ledgerOf(0)],
    },
  });

  expect(await audit()).toMatchObject({ isConsistent: true });
});

test("every page of users is compared, and the report keeps only so many differences", async () => {
  const users = Object.fromEntries(
    Array.from({ length: 450 }, (_, index) => [
      `user-${String(index).padStart(3, "0")}`,
      { redis: [booksOf(1)], postgres: [ledgerOf(0)] },
    ]),
  );

  const report = await setUp(users).audit({ differencesMax: 10 });

  expect(report).toMatchObject({ users: 450, differencesTotal: 900, driftTokens: 450 });
  expect(report.differences).toHaveLength(10);
});

test("a second ledger row of one request is reported", async () => {
  const { audit, anomalies } = setUp({});
  anomalies.push({ requestId: "a", state: "completed", attempts: 1, rows: 2 });

  expect(await audit()).toMatchObject({
    isConsistent: false,
    differences: [{ kind: "ledger_duplicate", requestId: "a", rows: 2 }],
  });
});

test("a sum of a day that is not that of the ledger is reported", async () => {
  const { audit, sums } = setUp({});
  const ledger = { requests: 2, tokens: 7, failedRequests: 1, failedExecutions: 3 };
  sums.push({ userId: "u", day: DAY, ledger, sums: { ...ledger, tokens: 9 } });
  sums.push({ userId: "v", day: DAY, ledger, sums: { ...ledger, failedExecutions: 4 } });

  const differs = { kind: "ledger_sum_differs", day: DAY };
  expect(await audit()).toMatchObject({
    isConsistent: false,
    differences: [
      { ...differs, userId: "u", unit: "tokens", ledger: 7, sum: 9 },
      { ...differs, userId: "v", unit: "failed_executions", ledger: 3, sum: 4 },
    ],
  });
});

test("a message of a request that PostgreSQL does not know is reported", async () => {
  const { audit } = setUp({});
  const browseQueues = async () => [
    { queue: "inference_requests", requestId: "known" },
    { queue: "inference_requests", requestId: "stray" },
  ];

  expect((await audit({}, { browseQueues })).differences).toEqual([
    { kind: "message_unknown", queue: "inference_requests", requestId: "stray" },
  ]);
});
