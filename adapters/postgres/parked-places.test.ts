import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";

import type { NewRequest } from "../../core/request/stored-request.ts";
import { createMigratedDatabase, type MigratedDatabase } from "../../test/support/postgres.ts";
import { HOUR_MS, newRequest } from "../../test/support/request-samples.ts";
import type { Database } from "./connect.ts";
import { discardRequests, insertRequests } from "./insert-requests.ts";
import { countParked, parkRequests } from "./parked.ts";
import { parkedPlaces } from "./parked-places.ts";

const USER = crypto.randomUUID();

let postgres: MigratedDatabase;
let database: Database;
beforeAll(async () => {
  postgres = await createMigratedDatabase();
  ({ database } = postgres);
});
afterAll(() => postgres.drop());
beforeEach(async () => {
  await database.run("empty", (sql) => sql`delete from parked`);
});

const idOf = ({ head }: NewRequest): string => head.requestId;

/** A parked request of `USER` that expires so many minutes from now. */
const parked = (minutes: number): NewRequest =>
  newRequest({
    userId: USER,
    expiresAtMs: Date.now() + minutes * 60_000,
    isParked: true,
    priority: "normal",
  });

test("a place knows the attempts that were made and what the last one met", async () => {
  const first = parked(5);
  const retried = newRequest({ userId: USER, expiresAtMs: Date.now() + HOUR_MS });
  await insertRequests(database, [first, retried]);
  const lastError = { code: "UPSTREAM_FAILED", message: "status 500" } as const;
  await parkRequests(database, [
    { head: retried.head, attempt: 3, lastError, payload: retried.prompt },
  ]);

  expect(await parkedPlaces(database, [idOf(first), idOf(retried)])).toEqual([
    { ownAhead: 0, attemptsMade: 0, lastError: null },
    { ownAhead: 1, attemptsMade: 2, lastError },
  ]);
});

test("many places of one user read what waits once, and not once for each", async () => {
  const own = postgres.connect({ poolMax: 1 });
  const rows = Array.from({ length: 3_000 }, (_, index) => parked(100 + index));
  await insertRequests(database, rows);
  await database.run("gather statistics", (sql) => sql`analyze parked`);
  const read = async (): Promise<number> => {
    await own.run("flush statistics", (sql) => sql`select pg_stat_force_next_flush()`);
    const [row] = await own.run(
      "read statistics",
      (sql) => sql<{ read: number }[]>`
        select (t.seq_tup_read + sum(i.idx_tup_read))::bigint as read
        from pg_stat_user_tables t
        join pg_stat_user_indexes i using (relid)
        where t.relname = 'parked'
        group by t.seq_tup_read`,
    );
    return row?.read ?? -1;
  };
  const before = await read();

  await parkedPlaces(own, rows.slice(900, 1_000).map(idOf));

  expect((await read()) - before).toBeLessThan(5_000);
});

test("a request that is discarded is not parked any more", async () => {
  const rows = [parked(5), parked(6)];
  await insertRequests(database, rows);

  await discardRequests(database, [idOf(rows[0] as NewRequest)]);

  expect(await countParked(database)).toEqual(new Map([["sim-chat", 1]]));
});
