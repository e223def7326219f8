import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { runBisected } from "../../runtime/bisect.ts";
import type { Finish } from "../../core/finish.ts";
import type { Database } from "./connect.ts";
import { isDataFault } from "./errors.ts";
import { findRequests } from "./find-requests.ts";
import { finishRequests } from "./finish-requests.ts";
import { insertRequests } from "./insert-requests.ts";
import { standings } from "./open-requests.ts";
import {
  completion,
  createMigratedDatabase,
  ending,
  type MigratedDatabase,
  newRequest,
  SEALED,
} from "../../test/support/postgres.ts";
import type { NewRequest } from "../../core/stored-request.ts";

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
const idsOf = (rows: NewRequest[]): [string, string, string] => {
  const [a = "", b = "", c = ""] = rows.map((row) => row.head.requestId);
  return [a, b, c];
};
const finish = (...finishes: Finish[]) => finishRequests(server.database, finishes);

test("a completed request has its result, its times and one bill on the day of its hold", async () => {
  const row = newRequest({ windowDay: "2026-10-31" });
  await insertRequests(server.database, [row]);
  const { requestId, userId } = row.head;

  const replies = await finish(completion(requestId));

  expect(replies).toEqual([
    {
      requestId,
      moved: true,
      state: "completed",
      userId,
      windowDay: "2026-10-31",
      estimatedTokens: 100,
      billedTokens: 30,
    },
  ]);
  const [found] = await findRequests(server.database, [{ requestId, userId }]);
  expect(found).toMatchObject({
    state: "completed",
    attempts: 1,
    startedAtMs: 1_795_000_000_000,
    completedAtMs: 1_795_000_001_234,
    promptTokens: 10,
    completionTokens: 20,
    totalTokens: 30,
    errorCode: null,
    result: SEALED,
  });
});

test("what was not executed is not billed, and its error is kept word for word", async () => {
  const rows = await stored(3);
  const [a, b, c] = idsOf(rows);

  const replies = await finish(ending(a, "cancelled"), ending(b, "expired"), ending(c, "failed"));

  expect(replies).toMatchObject([
    { moved: true, state: "cancelled", billedTokens: null },
    { moved: true, state: "expired", billedTokens: null },
    { moved: true, state: "failed", billedTokens: null },
  ]);
  const [found] = await findRequests(
    server.database,
    rows.map(({ head }) => head),
  );
  expect(found).toMatchObject({
    errorCode: "CANCELLED",
    errorMessage: ending(a, "cancelled").error?.message ?? "",
    totalTokens: null,
  });
});

describe("a second finish", () => {
  test("changes nothing and returns what the first one did, whatever it says itself", async () => {
    const [a, b] = idsOf(await stored(2));
    await finish(completion(a), ending(b, "cancelled"));

    const replies = await finish(ending(a, "failed"), completion(b));

    expect(replies).toMatchObject([
      { moved: false, state: "completed", billedTokens: 30 },
      { moved: false, state: "cancelled", billedTokens: null },
    ]);
    expect(await standings(server.database, [a, b])).toEqual([
      { state: "completed", billedTokens: 30 },
      { state: "cancelled", billedTokens: null },
    ]);
  });

  test("in the same batch loses to the first", async () => {
    const [a] = idsOf(await stored(1));

    const replies = await finish(ending(a, "failed"), completion(a));

    expect(replies).toMatchObject([
      { moved: true, state: "failed", billedTokens: null },
      { moved: false, state: "failed", billedTokens: null },
    ]);
  });

  test("of another collector at the same time bills once, and both learn the bill", async () => {
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
});

test("an id that is not stored is unknown and bills nobody", async () => {
  const { requestId } = newRequest().head;

  expect(await finish(completion(requestId))).toEqual(["unknown"]);
  expect(await standings(server.database, [requestId])).toEqual([undefined]);
});

test("a finish that cannot be stored fails alone and leaves its request open", async () => {
  const [a, b, c] = idsOf(await stored(3));
  const finishes = [completion(a), completion(b, { result: null }), completion(c)];

  const outcomes = await runBisected(
    finishes,
    (part) => finishRequests(server.database, part),
    isDataFault,
  );

  expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, false, true]);
  expect(await standings(server.database, [b])).toEqual([{ state: "queued", billedTokens: null }]);
});

test("the ledger refuses to be changed", async () => {
  const [a] = idsOf(await stored(1));
  await finish(completion(a));

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
