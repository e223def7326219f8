import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomUUIDv7 } from "bun";

import type { Database } from "./connect.ts";
import { listRequests } from "./find-requests.ts";
import { finishRequests } from "./finish-requests.ts";
import { discardRequests, insertRequests } from "./insert-requests.ts";
import { usage } from "./ledger.ts";
import { overdueRequests, queuedBefore } from "./open-requests.ts";
import { quotaTruth, quotaTruthOf } from "./quotas.ts";
import { notePublisher, outboxOfDeadPublishers } from "./publishers.ts";
import { type MigratedDatabase } from "../../test/support/postgres.ts";
import { completion, ending, HOUR_MS, newRequest } from "../../test/support/request-samples.ts";
import { createMigratedDatabase } from "../../test/support/postgres.ts";

const ROWS = 3_000;
const OPEN = 100;
/** All keys are of one user, so that looking them up by user is no help. */
const USER = crypto.randomUUID();
const EVER = { from: "2000-01-01", to: "2100-01-01" };

let server: MigratedDatabase;
/** One connection of each kind, because a server process publishes its own statistics only. */
let database: Database;
beforeAll(async () => {
  server = await createMigratedDatabase();
  database = server.connect({ poolMax: 2 });
  const rows = Array.from({ length: ROWS }, () =>
    newRequest({
      userId: USER,
      idempotency: { keyHash: Buffer.from(randomKey()), fingerprint: Buffer.alloc(32) },
    }),
  );
  await insertRequests(database, rows);
  const ended = rows.slice(OPEN).map(({ head }) => ending(head.requestId, "cancelled"));
  await finishRequests(database, ended);
  await database.run("gather statistics", (sql) => sql`analyze`);
});
afterAll(() => server.drop());

const randomKey = (): Uint8Array => crypto.getRandomValues(new Uint8Array(32));

/** The beginning of the names of tables: `token_` is the ledger and its sums. */
type Table = "requests" | "idempotency_keys" | "token_";

/** Rows and entries read so far, of tables and their partitions, whichever way. */
async function rowsRead(table: Table, by: Database): Promise<number> {
  for (const planning of ["each", "once"] as const)
    await by.run("flush statistics", (sql) => sql`select pg_stat_force_next_flush()`, planning);
  const [row] = await by.run(
    "read statistics",
    (sql) => sql<{ read: number }[]>`
      select (
        (select sum(seq_tup_read) from pg_stat_user_tables where relname like ${`${table}%`})
        + (select sum(idx_tup_read) from pg_stat_user_indexes where relname like ${`${table}%`})
      )::bigint as read`,
  );
  return row?.read ?? -1;
}

async function reads(
  table: Table,
  act: () => Promise<unknown>,
  by: Database = database,
): Promise<number> {
  const before = await rowsRead(table, by);
  await act();
  return (await rowsRead(table, by)) - before;
}

test("looking for what is overdue reads none of the requests that wait and are not", async () => {
  const late = newRequest({ expiresAtMs: Date.now() - 1 });
  await insertRequests(database, [late]);

  const read = await reads("requests", () => overdueRequests(database, null, 100));

  expect(read).toBe(1);
});

test("a page of the requests that wait looks at no more than ten times as many", async () => {
  const read = await reads("requests", async () => {
    const page = await queuedBefore(database, Date.now() + HOUR_MS, ["sim-chat"], null, 5);
    expect(page.items).toHaveLength(5);
  });

  expect(read).toBeLessThan(60);
});

test("rebuilding a user does not read its bills one by one", async () => {
  const billed = Array.from({ length: 100 }, () => newRequest({ userId: USER }));
  await insertRequests(database, billed);
  const finishes = billed.map(({ head }) => completion(head.requestId));
  await finishRequests(database, finishes);

  const read = await reads("token_", async () => {
    const [truth] = await quotaTruth(database, [USER]);
    const [day] = await usage(database, { ...EVER, userId: USER, by: "day" });
    expect([truth, day?.requests]).toEqual([undefined, 100]);
  });

  expect(read).toBeLessThan(10);
});

test("a plan that was kept since everything was empty reads one user and no other", async () => {
  const empty = await createMigratedDatabase();
  try {
    const grown = empty.connect({ poolMax: 2 });
    const userId = crypto.randomUUID();
    expect(await quotaTruth(grown, [userId])).toEqual([undefined]);
    await insertRequests(
      grown,
      Array.from({ length: 1_000 }, () => newRequest()),
    );
    const own = newRequest({ userId });
    await insertRequests(grown, [own]);

    const read = await reads(
      "requests",
      async () => {
        const { unstored } = await quotaTruthOf(grown, userId, [own.head.requestId]);
        await quotaTruth(grown, [userId]);
        expect(unstored).toEqual([]);
      },
      grown,
    );

    expect(read).toBeLessThan(10);
  } finally {
    await empty.drop();
  }
});

test("listing what failed of a user reads none of what ended otherwise", async () => {
  const failed = newRequest({ userId: USER });
  await insertRequests(database, [failed]);
  await finishRequests(database, [ending(failed.head.requestId, "failed")]);

  const read = await reads("requests", () =>
    listRequests(database, { userId: USER, state: "failed", limit: 20 }),
  );

  expect(read).toBeLessThan(10);
});

test("taking out a refused request reads its own key at most, not all", async () => {
  const refused = newRequest({ userId: USER });
  await insertRequests(database, [refused]);

  const read = await reads("idempotency_keys", () =>
    discardRequests(database, [refused.head.requestId]),
  );

  expect(read).toBeLessThan(10);
});

test("reading the outbox of a dead gateway reads the keys of its requests, not all", async () => {
  const publisherId = randomUUIDv7();
  const rows = Array.from({ length: 5 }, () => newRequest({ publisherId, userId: USER }));
  const [first] = rows;
  const confirmedThrough = first?.head.requestId ?? "";
  await notePublisher(database, { publisherId, host: "host", confirmedThrough, unconfirmed: 5 });
  await insertRequests(database, rows);

  const read = await reads("idempotency_keys", async () => {
    const [outbox] = await outboxOfDeadPublishers(database, -HOUR_MS, 10);
    expect(outbox?.entries).toHaveLength(5);
  });

  expect(read).toBeLessThan(10);
});
