import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { dayOf } from "../../core/quota/windows.ts";
import { countRequests, ledgerAnomalies, readLedger } from "./audit.ts";
import { finishRequests } from "./finish-requests.ts";
import { insertRequests } from "./insert-requests.ts";
import { findLimits, findTiers, quotaTruth, quotaTruthOf, setLimits } from "./quotas.ts";
import {
  createMigratedDatabase,
  type MigratedDatabase,
  newUser,
  setQuota,
  TEST_ACT,
} from "../../test/support/postgres.ts";
import { completion, ending, inVain, newRequest } from "../../test/support/request-samples.ts";

const TODAY = dayOf(Date.now());
const FIRST_OF_MONTH = `${TODAY.slice(0, 7)}-01`;
const LAST_YEAR = `${Number(TODAY.slice(0, 4)) - 1}-12-31`;

let server: MigratedDatabase;
beforeAll(async () => {
  server = await createMigratedDatabase();
});
afterAll(() => server.drop());

test("the tiers of many users are found at once, each window's own", async () => {
  const { database } = server;
  const [both = "", one = "", none = ""] = await Promise.all(
    [1, 2, 3].map(() => newUser(database)),
  );
  const setTier = (userId: string, window: "daily" | "monthly", tier: string) =>
    setQuota(database, { userId, window, tier, requests: null, tokens: null });
  await setTier(both, "daily", "free");
  await setTier(both, "monthly", "pro");
  await setTier(one, "monthly", "pro");

  const found = await findTiers(database, [none, one, both]);

  expect([both, one, none].map((userId) => found.get(userId))).toEqual([
    { daily: "free", monthly: "pro" },
    { monthly: "pro" },
    undefined,
  ]);
});

/**
 * Two bills and a failure after four executions on the first of the month, one bill of last year, one request
 * cancelled, two open.
 */
async function newUserWithHistory() {
  const userId = await newUser(server.database);
  const billed = [FIRST_OF_MONTH, FIRST_OF_MONTH, LAST_YEAR].map((windowDay) =>
    newRequest({ userId, windowDay }),
  );
  const failed = newRequest({ userId, windowDay: FIRST_OF_MONTH });
  const cancelled = newRequest({ userId });
  const open = [
    newRequest({ userId, estimatedTokens: 7 }),
    newRequest({ userId, estimatedTokens: 8, windowDay: LAST_YEAR, model: "slow" }),
  ];
  await insertRequests(server.database, [...billed, failed, cancelled, ...open]);
  await finishRequests(server.database, [
    ...billed.map(({ head }) => completion(head.requestId)),
    inVain(failed.head.requestId, 4),
    ending(cancelled.head.requestId, "cancelled"),
  ]);
  return { userId, billed, failed, open };
}

describe("what Redis is rebuilt from", () => {
  test("is the ledger of this month and every open request, for many users at once", async () => {
    const { userId, open } = await newUserWithHistory();
    const idle = await newUser(server.database);
    const unknown = crypto.randomUUID();

    const [busyTruth, idleTruth, none] = await quotaTruth(server.database, [userId, idle, unknown]);

    const [first, second] = open.map(({ head }) => head.requestId);
    expect(busyTruth?.days).toEqual([
      { day: FIRST_OF_MONTH, requests: 3, tokens: 60, failedExecutions: 4 },
    ]);
    expect(busyTruth?.holds.toSorted((a, b) => a.tokens - b.tokens)).toEqual([
      { userId, requestId: first ?? "", day: TODAY, tokens: 7 },
      { userId, requestId: second ?? "", day: LAST_YEAR, tokens: 8 },
    ]);
    expect(idleTruth).toEqual({
      userId: idle,
      limits: { quotas: [], concurrentRequests: null },
      days: [],
      holds: [],
    });
    expect(none).toBeUndefined();
  });

  test("tells which recent requests are not stored, whatever became of the others", async () => {
    const { userId, billed, open } = await newUserWithHistory();
    const missing = newRequest().head.requestId;

    const { truth, unstored } = await quotaTruthOf(server.database, userId, [
      ...[...billed, ...open].map(({ head }) => head.requestId),
      missing,
    ]);

    expect(unstored).toEqual([missing]);
    expect(truth?.holds.length).toBe(2);
  });

  test("has the limits that are stored for the user", async () => {
    const userId = await newUser(server.database);
    await setLimits(server.database, userId, { quotas: [], concurrentRequests: -1 }, TEST_ACT);
    await setQuota(server.database, {
      userId,
      window: "daily",
      tier: "free",
      requests: 5,
      tokens: null,
    });
    await setQuota(server.database, {
      userId,
      window: "daily",
      tier: "pro",
      requests: null,
      tokens: -1,
    });

    const [truth] = await quotaTruth(server.database, [userId]);

    const limits = {
      quotas: [{ window: "daily" as const, tier: "pro", requests: null, tokens: -1 }],
      concurrentRequests: -1,
    };
    expect(truth?.limits).toEqual(limits);
    expect(await findLimits(server.database, userId)).toEqual(limits);
    expect(await findLimits(server.database, crypto.randomUUID())).toBeUndefined();
  });
});

test("a quota for nobody is not stored", async () => {
  const quota = {
    userId: crypto.randomUUID(),
    window: "daily" as const,
    tier: "free",
    requests: null,
    tokens: null,
  };

  expect(await setQuota(server.database, quota)).toBe(false);
});

describe("the audit", () => {
  test("reads the books of users in the order asked, empty for who has none", async () => {
    const { userId } = await newUserWithHistory();

    const [none, books] = await readLedger(server.database, [crypto.randomUUID(), userId]);

    expect(none).toEqual({ days: [], holds: [] });
    expect(books?.days).toEqual([
      { day: FIRST_OF_MONTH, requests: 3, tokens: 60, failedExecutions: 4 },
    ]);
  });

  test("counts every request in one state", async () => {
    const before = await countRequests(server.database);

    await newUserWithHistory();

    const after = await countRequests(server.database);
    expect(after.accepted - before.accepted).toBe(7);
    expect(after.completed - before.completed).toBe(3);
    expect(after.accepted).toBe(
      after.queued + after.completed + after.failed + after.cancelled + after.expired,
    );
  });

  test("finds bills that are missing or should not be, and failures told wrong", async () => {
    const { userId, billed, failed, open } = await newUserWithHistory();
    const other = await newUserWithHistory();
    expect(await ledgerAnomalies(server.database, 10)).toEqual([]);
    const ids = [billed[0], open[0], failed, billed[1], other.failed].map(
      (row) => row?.head.requestId,
    );
    const [lost = "", unexpected = "", unproven = "", faultless = "", fewer = ""] = ids;
    const { database } = server;
    const change = (sqlText: string) => database.run("break", (sql) => sql.unsafe(sqlText));
    await change("alter table token_logs disable trigger token_logs_append_only");
    await change(`delete from token_logs where request_id in ('${lost}', '${unproven}')`);
    await change(
      `insert into token_logs (
         request_id, user_id, model, window_day, prompt_tokens, completion_tokens, usage_source
       )
       values ('${unexpected}', '${userId}', 'sim-chat', '${TODAY}', 1, 1, 'counted')`,
    );
    await change(`update token_logs set failed_executions = 1 where request_id = '${faultless}'`);
    await change(
      `update token_logs set executions = 3, failed_executions = 3 where request_id = '${fewer}'`,
    );

    const anomalies = await ledgerAnomalies(database, 10);

    expect(new Set(anomalies)).toEqual(
      new Set([
        { requestId: lost, state: "completed", attempts: 1, rows: 0 },
        { requestId: unexpected, state: "queued", attempts: 0, rows: 1 },
        { requestId: unproven, state: "failed", attempts: 4, rows: 0 },
        { requestId: faultless, state: "completed", attempts: 1, rows: 1 },
        { requestId: fewer, state: "failed", attempts: 4, rows: 1 },
      ]),
    );
  });
});
