import { afterAll, beforeAll, expect, test } from "bun:test";

import type { Database } from "./connect.ts";
import { finishRequests } from "./finish-requests.ts";
import { insertRequests } from "./insert-requests.ts";
import { createMigratedDatabase, type MigratedDatabase } from "../../test/support/postgres.ts";
import { completion, newRequest } from "../../test/support/request-samples.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";

let server: MigratedDatabase;
beforeAll(async () => {
  server = await createMigratedDatabase();
});
afterAll(() => server.drop());

async function stored(count: number): Promise<NewRequest[]> {
  const rows = Array.from({ length: count }, () => newRequest());
  await insertRequests(server.database, rows);
  return rows;
}
test("a finish of another collector at the same time bills once, and both learn the bill", async () => {
  const rows = await stored(50);
  const collectors = Array.from({ length: 4 }, () => server.connect({ poolMax: 1 }));

  const replies = await Promise.all(
    collectors.map((collector, i) => {
      const usage = { promptTokens: i, completionTokens: 1, source: "counted" as const };
      const finishes = rows.map(({ head }) => completion(head.requestId, { usage }));
      return finishRequests(collector, i % 2 === 0 ? finishes : finishes.toReversed());
    }),
  );

  const known = replies.flat().filter((reply) => reply !== "unknown");
  for (const { head } of rows) {
    const ofRequest = known.filter((reply) => reply.requestId === head.requestId);
    expect(ofRequest.filter((reply) => reply.moved).length).toBe(1);
    expect(new Set(ofRequest.map((reply) => reply.billedTokens)).size).toBe(1);
  }
});

test("the ledger refuses to be changed", async () => {
  const [row] = await stored(1);
  await finishRequests(server.database, [completion(row?.head.requestId ?? "")]);

  for (const change of [
    "update token_logs set prompt_tokens = 0",
    "delete from token_logs",
    "truncate token_logs",
  ]) {
    const failure = await server.database
      .run(change, (sql) => sql.unsafe(change))
      .catch((error: unknown) => error);
    expect(String(failure)).toContain("append-only");
  }
});

/** Entries read from the index of open requests so far. */
async function openEntriesRead(database: Database): Promise<number> {
  await database.run("flush statistics", (sql) => sql`select pg_stat_force_next_flush()`);
  const [row] = await database.run(
    "read index statistics",
    (sql) => sql<{ read: number }[]>`
      select coalesce(sum(idx_tup_read), 0)::bigint as read
      from pg_stat_user_indexes s
      join pg_index i using (indexrelid)
      where i.indpred is not null`,
  );
  return row?.read ?? -1;
}

test("ending requests does not read the index of open ones, even if it seems empty", async () => {
  // One connection, because a server process publishes its own statistics only.
  const database = server.connect({ poolMax: 1 });
  const ended = await stored(50);
  await finishRequests(
    database,
    ended.map((row) => completion(row.head.requestId)),
  );
  // With these statistics hardly any request is open.
  await database.run("gather statistics", (sql) => sql`analyze requests`);
  const [first] = await stored(1_000);
  const before = await openEntriesRead(database);

  await finishRequests(database, [completion(first?.head.requestId ?? "")]);

  expect(await openEntriesRead(database)).toBe(before);
});
