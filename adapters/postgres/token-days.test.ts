import { afterAll, beforeAll, expect, test } from "bun:test";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createTestDatabase } from "../../test/support/servers.ts";
import { ledgerAnomalies, sumAnomalies } from "./audit.ts";
import { connectPostgres, type Database } from "./connect.ts";
import { finishRequests } from "./finish-requests.ts";
import { insertRequests } from "./insert-requests.ts";
import { usage } from "./ledger.ts";
import { migrate, type Migration, MIGRATIONS_DIRECTORY, readMigrations } from "./migrate.ts";
import { createMigratedDatabase, type MigratedDatabase } from "../../test/support/postgres.ts";
import { completion, ending, inVain, newRequest } from "../../test/support/request-samples.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";

let server: MigratedDatabase;
beforeAll(async () => {
  server = await createMigratedDatabase();
});
afterAll(() => server.drop());

const DAYS = ["2026-11-25", "2026-11-26"];
const MODELS = ["fast", "slow"];
const EVER = { from: "2000-01-01", to: "2100-01-01" };

test("the sums are the ledger's when collectors bill at once, and a repeated bill counts once", async () => {
  const { database } = server;
  const userIds = Array.from({ length: 5 }, () => crypto.randomUUID());
  const rows = Array.from({ length: 400 }, (_, i) =>
    newRequest({
      userId: userIds[i % 5] ?? "",
      windowDay: DAYS[i % 2] ?? "",
      model: MODELS[i % 3 === 0 ? 0 : 1] ?? "",
    }),
  );
  await insertRequests(database, rows);
  const finishes = rows.map(({ head }, i) => {
    if (i % 10 === 0) return ending(head.requestId, "cancelled");
    return i % 10 === 1 ? inVain(head.requestId, 3) : completion(head.requestId, { attempts: 2 });
  });
  // Batches that overlap by half, so that each request is ended twice.
  const round = [...finishes, ...finishes];
  const batches = Array.from({ length: 20 }, (_, i) => round.slice(i * 20, i * 20 + 40));

  await Promise.all(batches.map((batch) => finishRequests(database, batch)));

  expect(await sumAnomalies(database, 10)).toEqual([]);
  const used = await Promise.all(
    userIds.map((userId) =>
      usage(database, { userId, from: "2026-11-25", to: "2026-11-26", by: "model" }),
    ),
  );
  expect(used.flat().reduce((sum, { requests }) => sum + requests, 0)).toBe(320);
  expect(used.flat().reduce((sum, { failedRequests }) => sum + failedRequests, 0)).toBe(40);
  expect(used.flat().reduce((sum, { totalTokens }) => sum + totalTokens, 0)).toBe(320 * 30);
  const [kept] = await database.run(
    "sum what failed",
    (sql) => sql<{ failed: number }[]>`
      select sum(failed_executions)::bigint as failed from token_days`,
  );
  expect(kept?.failed).toBe(40 * 3 + 320);
});

test("the audit finds a sum that is not that of the ledger", async () => {
  const { database } = server;
  const row = newRequest({ windowDay: "2026-11-20" });
  const { userId, requestId } = row.head;
  await insertRequests(database, [row]);
  await finishRequests(database, [completion(requestId)]);
  await database.run(
    "break",
    (sql) => sql`
      update token_days
      set prompt_tokens = prompt_tokens + 1, failed_executions = failed_executions + 4
      where user_id = ${userId}`,
  );

  const anomalies = await sumAnomalies(database, 10);

  const ledger = { requests: 1, tokens: 30, failedRequests: 0, failedExecutions: 0 };
  expect(anomalies).toEqual([
    { userId, day: "2026-11-20", ledger, sums: { ...ledger, tokens: 31, failedExecutions: 4 } },
  ]);
});

/** A database with the migrations below a version, and how to apply the others. */
async function databaseBefore(version: number) {
  const { url, drop } = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), "migrations-"));
  for (const migration of (await readMigrations()).filter(isBefore(version)))
    await Bun.write(join(directory, migration.name), migration.sql);
  await migrate({ url, directory });
  const options = { poolMax: 2, statementTimeoutMs: 5_000, deadlineMs: 6_000, name: "test" };
  const database = connectPostgres({ url, ...options });
  return {
    database,
    migrateOn: async () => {
      await cp(MIGRATIONS_DIRECTORY, directory, { recursive: true });
      await migrate({ url, directory });
    },
    drop: async () => {
      await database.close(1_000);
      await drop();
      await rm(directory, { recursive: true });
    },
  };
}

const isBefore =
  (version: number) =>
  (migration: Migration): boolean =>
    migration.version < version;

/** Ends a request as a release before `executions` did; `tokens` null: unbilled. */
async function endAsBefore(
  database: Database,
  { head }: NewRequest,
  end: { status: string; attempts: number; tokens: number | null },
): Promise<void> {
  const { requestId, userId, model, windowDay } = head;
  const { status, attempts, tokens } = end;
  await database.run(
    "end a request",
    (sql) => sql`
      update requests
      set
        status = ${status}, attempts = ${attempts}, completed_at = now(), prompt_tokens = ${tokens},
        completion_tokens = ${tokens},
        result = ${status === "completed" ? Buffer.from("r") : null}
      where request_id = ${requestId}`,
  );
  if (tokens === null) return;
  await database.run(
    "bill a request",
    (sql) => sql`
      insert into token_logs (
        request_id, user_id, model, window_day, prompt_tokens, completion_tokens, usage_source
      )
      values (${requestId}, ${userId}, ${model}, ${windowDay}, ${tokens}, ${tokens}, 'counted')`,
  );
}

test("a ledger from before the sums is summed when they are introduced", async () => {
  const { database, migrateOn, drop } = await databaseBefore(5);
  const rows = Array.from({ length: 10 }, () => newRequest({ userId: crypto.randomUUID() }));
  await insertRequests(database, rows);
  const [first, ...others] = rows;
  for (const row of others)
    await endAsBefore(database, row, { status: "completed", attempts: 1, tokens: 5 });

  await migrateOn();
  await finishRequests(database, first === undefined ? [] : [completion(first.head.requestId)]);

  expect(await sumAnomalies(database, 10)).toEqual([]);
  const [kept] = await database.run(
    "count",
    (sql) => sql<{ requests: number }[]>`select sum(requests)::bigint as requests from token_days`,
  );
  expect(kept?.requests).toBe(10);
  await drop();
});

test("what ended before executions were counted stays as it was, also while both releases run", async () => {
  const { database, migrateOn, drop } = await databaseBefore(10);
  const userId = crypto.randomUUID();
  const rows = Array.from({ length: 6 }, () => newRequest({ userId }));
  const [billed, failed, ...later] = rows;
  const [billedLater, failedLater, failing, completing] = later;
  if (!billed || !failed || !billedLater || !failedLater || !failing || !completing)
    throw new Error("six requests are needed");
  const completed = { status: "completed", attempts: 2, tokens: 5 };
  const allFailed = { status: "failed", attempts: 5, tokens: null };
  await insertRequests(database, rows);
  await endAsBefore(database, billed, completed);
  await endAsBefore(database, failed, allFailed);

  await migrateOn();
  await endAsBefore(database, billedLater, completed);
  await endAsBefore(database, failedLater, allFailed);
  await finishRequests(database, [
    inVain(failing.head.requestId, 3),
    completion(completing.head.requestId, { attempts: 2 }),
  ]);

  const counts = await database.run(
    "read the ledger",
    (sql) => sql<{ usage_source: string; executions: number; failed_executions: number }[]>`
      select usage_source, executions, failed_executions
      from token_logs
      order by usage_source, executions`,
  );
  expect([...counts]).toEqual([
    { usage_source: "counted", executions: 1, failed_executions: 0 },
    { usage_source: "counted", executions: 1, failed_executions: 0 },
    { usage_source: "failed", executions: 3, failed_executions: 3 },
    { usage_source: "reported", executions: 2, failed_executions: 1 },
  ]);
  expect(await ledgerAnomalies(database, 10)).toEqual([]);
  expect(await sumAnomalies(database, 10)).toEqual([]);
  const [used] = await usage(database, { ...EVER, userId, by: "model" });
  expect(used).toMatchObject({ requests: 3, failedRequests: 1, totalTokens: 50 });
  await drop();
});
