import { afterAll, beforeAll, expect, test } from "bun:test";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createTestDatabase } from "../../test/support/servers.ts";
import { sumAnomalies } from "./audit.ts";
import { connectPostgres } from "./connect.ts";
import { finishRequests } from "./finish-requests.ts";
import { insertRequests } from "./insert-requests.ts";
import { usage } from "./ledger.ts";
import { migrate, type Migration, MIGRATIONS_DIRECTORY, readMigrations } from "./migrate.ts";
import { createMigratedDatabase, type MigratedDatabase } from "../../test/support/postgres.ts";
import { completion, ending, newRequest } from "../../test/support/request-samples.ts";

let server: MigratedDatabase;
beforeAll(async () => {
  server = await createMigratedDatabase();
});
afterAll(() => server.drop());

const DAYS = ["2026-11-25", "2026-11-26"];
const MODELS = ["fast", "slow"];

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
  const finishes = rows.map(({ head }, i) =>
    i % 10 === 0 ? ending(head.requestId, "cancelled") : completion(head.requestId),
  );
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
  expect(used.flat().reduce((sum, { requests }) => sum + requests, 0)).toBe(360);
  expect(used.flat().reduce((sum, { totalTokens }) => sum + totalTokens, 0)).toBe(360 * 30);
});

test("the audit finds a sum that is not that of the ledger", async () => {
  const { database } = server;
  const row = newRequest({ windowDay: "2026-11-20" });
  const { userId, requestId } = row.head;
  await insertRequests(database, [row]);
  await finishRequests(database, [completion(requestId)]);
  await database.run(
    "break",
    (sql) => sql`update token_days set prompt_tokens = prompt_tokens + 1 where user_id = ${userId}`,
  );

  const anomalies = await sumAnomalies(database, 10);

  const ledger = { requests: 1, tokens: 30 };
  expect(anomalies).toEqual([
    { userId, day: "2026-11-20", ledger, sums: { requests: 1, tokens: 31 } },
  ]);
});

test("a ledger from before the sums is summed when they are introduced", async () => {
  const { url, drop } = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), "migrations-"));
  const isEarlier = ({ version }: Migration): boolean => version < 5;
  for (const { name, sql } of (await readMigrations()).filter(isEarlier))
    await Bun.write(join(directory, name), sql);
  await migrate({ url, directory });
  const options = { poolMax: 2, statementTimeoutMs: 5_000, deadlineMs: 6_000, name: "test" };
  const database = connectPostgres({ url, ...options });
  const rows = Array.from({ length: 10 }, () => newRequest({ userId: crypto.randomUUID() }));
  await insertRequests(database, rows);
  const [first, ...others] = rows.map(({ head }) => completion(head.requestId));
  await finishRequests(database, others);

  await cp(MIGRATIONS_DIRECTORY, directory, { recursive: true });
  await migrate({ url, directory });
  await finishRequests(database, first === undefined ? [] : [first]);

  expect(await sumAnomalies(database, 10)).toEqual([]);
  const [kept] = await database.run(
    "count",
    (sql) => sql<{ requests: number }[]>`select sum(requests)::bigint as requests from token_days`,
  );
  expect(kept?.requests).toBe(10);
  await database.close(1_000);
  await drop();
  await rm(directory, { recursive: true });
});
