import { afterEach, beforeEach, expect, test } from "bun:test";

import postgres from "postgres";

import type { Fault } from "../../core/faults.ts";
import { dayOf } from "../../core/quota/windows.ts";
import { finishRequests } from "./finish-requests.ts";
import { insertRequests } from "./insert-requests.ts";
import { standings } from "./open-requests.ts";
import {
  deleteStraysBefore,
  dropPartition,
  type DropOutcome,
  ensurePartitions,
  partitionsBefore,
} from "./partitions.ts";
import { createMigratedDatabase, type MigratedDatabase } from "../../test/support/postgres.ts";
import { completion, HOUR_MS, newRequest } from "../../test/support/request-samples.ts";

const DAY_MS = 24 * HOUR_MS;
const NOW = Date.now();

let server: MigratedDatabase;
beforeEach(async () => {
  server = await createMigratedDatabase();
});
afterEach(() => server.drop());

async function partitionOf(requestId: string): Promise<string | undefined> {
  const [row] = await server.database.run(
    "find the partition",
    (sql) =>
      sql<
        { name: string }[]
      >`select tableoid::regclass::text as name from requests where request_id = ${requestId}`,
  );
  return row?.name;
}

/** What became of each day before an instant. */
async function dropDaysBefore(beforeMs: number): Promise<Record<string, DropOutcome>> {
  const outcomes: Record<string, DropOutcome> = {};
  for (const day of await partitionsBefore(server.database, beforeMs))
    outcomes[day] = await dropPartition(server.database, day);
  return outcomes;
}

const partitionName = (atMs: number): string => `requests_${dayOf(atMs).replaceAll("-", "")}`;

test("a request before its partition is stored, and moves when the partition is made", async () => {
  const row = newRequest({ metadata: Buffer.from("kept") });
  const { requestId } = row.head;
  await insertRequests(server.database, [row]);
  await finishRequests(server.database, [completion(requestId)]);
  const before = await partitionOf(requestId);

  await ensurePartitions(server.database, 0);

  expect(before).toBe("requests_default");
  expect(await partitionOf(requestId)).toBe(partitionName(NOW));
  expect(await standings(server.database, [requestId])).toEqual([
    { state: "completed", billedTokens: 30, failedExecutions: 0 },
  ]);
});

test("several keepers make each day once", async () => {
  const made = await Promise.all(
    Array.from({ length: 4 }, () => ensurePartitions(server.database, 3)),
  );

  expect(made.flat().sort()).toEqual([-1, 0, 1, 2, 3].map((days) => dayOf(NOW + days * DAY_MS)));
});

test("a request is stored in the partition of its id's day, from first to last millisecond", async () => {
  await ensurePartitions(server.database, 1);
  const midnight = Date.parse(`${dayOf(NOW + DAY_MS)}T00:00:00Z`);
  const rows = [midnight - 1, midnight, midnight + DAY_MS - 1].map((createdAtMs) =>
    newRequest({ createdAtMs }),
  );
  await insertRequests(server.database, rows);

  const names = await Promise.all(rows.map(({ head }) => partitionOf(head.requestId)));

  expect(names).toEqual([midnight - 1, midnight, midnight].map(partitionName));
});

test("old days are dropped, but not a day with an open request, and never the ledger", async () => {
  await ensurePartitions(server.database, 0);
  const [today, yesterday, forgotten] = [NOW, NOW - DAY_MS, NOW - 40 * DAY_MS].map((createdAtMs) =>
    newRequest({ createdAtMs }),
  );
  const rows = [today, yesterday, forgotten].filter((row) => row !== undefined);
  const ids = rows.map(({ head }) => head.requestId);
  await insertRequests(server.database, rows);
  await finishRequests(
    server.database,
    ids.slice(1).map((requestId) => completion(requestId)),
  );

  const outcomes = await dropDaysBefore(NOW + DAY_MS);
  await deleteStraysBefore(server.database, NOW + DAY_MS);

  expect(outcomes).toEqual({ [dayOf(NOW - DAY_MS)]: "dropped", [dayOf(NOW)]: "open" });
  const [open, ...gone] = await standings(server.database, ids);
  expect(open?.state).toBe("queued");
  expect(gone).toEqual([undefined, undefined]);
  const [ledger] = await server.database.run(
    "count bills",
    (sql) =>
      sql`select count(*) as bills from token_logs where request_id = any(${`{${ids.join()}}`}::uuid[])`,
  );
  expect(ledger).toEqual({ bills: 2 });
});

test("a long reader of one day keeps that day, at once, and no other", async () => {
  await ensurePartitions(server.database, 1);
  const [yesterday, today, tomorrow] = [-DAY_MS, 0, DAY_MS].map((ms) => dayOf(NOW + ms));
  const copy = postgres(server.url, { max: 1, onnotice: () => {} });
  const reader = await copy.reserve();
  try {
    await reader`begin`;
    await reader`select from ${reader(partitionName(NOW - DAY_MS))} limit 1`;

    const outcomes = await dropDaysBefore(NOW + 2 * DAY_MS);

    expect(outcomes).toEqual({
      [String(yesterday)]: "read",
      [String(today)]: "dropped",
      [String(tomorrow)]: "dropped",
    });
  } finally {
    await reader`rollback`;
    reader.release();
    await copy.end();
  }

  expect(await dropDaysBefore(NOW + 2 * DAY_MS)).toEqual({ [String(yesterday)]: "dropped" });
});

test("a long reader of all days keeps an old day, and nobody waits behind who would drop it", async () => {
  await ensurePartitions(server.database, 0);
  const dump = postgres(server.url, { max: 1, onnotice: () => {} });
  const reader = await dump.reserve();
  try {
    await reader`begin`;
    await reader`select from requests limit 1`;
    const dropping = dropPartition(server.database, dayOf(NOW - DAY_MS));
    const fault = dropping.then(
      () => undefined,
      (error: Fault) => error,
    );
    // While it waits for the reader: it must give up before a caller's patience ends.
    const reads = await Promise.all(
      Array.from({ length: 3 }, () =>
        server
          .connect({ statementTimeoutMs: 1_000 })
          .run("read", (sql) => sql`select from requests`),
      ),
    );

    expect(reads).toHaveLength(3);
    expect(await fault).toMatchObject({ cause: { code: "55P03" } });
  } finally {
    await reader`rollback`;
    reader.release();
    await dump.end();
  }

  expect(await dropDaysBefore(NOW)).toEqual({ [dayOf(NOW - DAY_MS)]: "dropped" });
});

test("a look-up by id reads one partition only", async () => {
  await ensurePartitions(server.database, 5);
  const { requestId } = newRequest().head;

  const plan = await server.database.run(
    "explain",
    (sql) =>
      sql`explain select * from requests where request_id = any(${`{${requestId}}`}::uuid[])`,
  );

  expect(JSON.stringify(plan)).toContain(partitionName(NOW));
  expect(JSON.stringify(plan)).not.toContain("requests_default");
});
