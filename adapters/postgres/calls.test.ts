import { afterAll, beforeAll, expect, test } from "bun:test";

import type { NewRequest } from "../../core/request/stored-request.ts";
import { newRequest } from "../../test/support/request-samples.ts";
import { createMigratedDatabase, type MigratedDatabase } from "../../test/support/postgres.ts";
import { claimCall, isCallHeld, letGoCall } from "./calls.ts";
import type { Database } from "./connect.ts";
import { insertRequests } from "./insert-requests.ts";
import { notePublisher } from "./publishers.ts";

const GATEWAY = crypto.randomUUID();
const OTHER = crypto.randomUUID();

let postgres: MigratedDatabase;
let database: Database;

beforeAll(async () => {
  postgres = await createMigratedDatabase();
  ({ database } = postgres);
});
afterAll(() => postgres.drop());

const note = (publisherId: string) =>
  notePublisher(database, {
    publisherId,
    host: "host",
    confirmedThrough: crypto.randomUUID(),
    unconfirmed: 0,
  });

/** A call of a user of its own, held by a gateway that lives. */
async function makeCalls(count: number): Promise<{
  rows: NewRequest[];
  claim: (tries: number | null) => Parameters<typeof claimCall>[1];
}> {
  await note(GATEWAY);
  const userId = crypto.randomUUID();
  const fingerprint = Buffer.alloc(32, 1);
  const rows = Array.from({ length: count }, () =>
    newRequest({
      userId,
      publisherId: GATEWAY,
      idempotency: { keyHash: crypto.getRandomValues(Buffer.alloc(32)), fingerprint, tries: 0 },
    }),
  );
  await insertRequests(database, rows);
  const claim = (tries: number | null) => ({
    userId,
    fingerprint,
    tries,
    holder: OTHER,
    madeAfterMs: Date.now() - 60_000,
  });
  return { rows, claim };
}

const letGo = ({ head: { requestId, userId } }: NewRequest, isAnswered = false) =>
  letGoCall(database, { requestId, userId, holder: GATEWAY, isAnswered });

test("a repetition gets a request only when nobody waits for it", async () => {
  const { rows, claim } = await makeCalls(1);
  const [row] = rows;
  if (row === undefined) throw new Error("no row");
  const { requestId } = row.head;

  const held = await claimCall(database, claim(1));
  await letGo(row);
  const claimed = await claimCall(database, claim(1));
  await note(OTHER);

  expect(held).toEqual({ kind: "held" });
  expect(claimed).toEqual({ kind: "claimed", requestId });
  expect(await isCallHeld(database, row.head)).toBe(true);
  expect(await claimCall(database, claim(2))).toEqual({ kind: "held" });
  // Of the same try there is none that could have been before it.
  expect(await claimCall(database, claim(1))).toEqual({ kind: "none" });
});

test("a repetition gets the request of a gateway that has died", async () => {
  const { rows, claim } = await makeCalls(1);

  await database.run(
    "age",
    (sql) => sql`
      update publishers set seen_at = now() - interval '3 s' where publisher_id = ${GATEWAY}`,
  );

  expect(await claimCall(database, claim(1))).toEqual({
    kind: "claimed",
    requestId: rows[0]?.head.requestId ?? "",
  });
});

test("as many repetitions as calls, at once, get a request each", async () => {
  const { rows, claim } = await makeCalls(5);
  await Promise.all(rows.map((row) => letGo(row)));

  const claims = [];
  for (let round = 0; round < 3; round += 1)
    claims.push(...(await Promise.all([1, 2].map(() => claimCall(database, claim(1))))));

  const ids = claims.flatMap((state) => (state.kind === "claimed" ? [state.requestId] : []));
  expect(new Set(ids)).toEqual(new Set(rows.map(({ head }) => head.requestId)));
  expect(ids).toHaveLength(5);
});

test("calls that are too old, of other users, and keys that callers gave are not found", async () => {
  const { rows, claim } = await makeCalls(1);
  await Promise.all(rows.map((row) => letGo(row)));
  const fingerprint = Buffer.alloc(32, 2);
  const keyed = newRequest({ idempotency: { keyHash: Buffer.alloc(32, 9), fingerprint } });
  await insertRequests(database, [keyed]);

  const none = { kind: "none" } as const;
  expect(await claimCall(database, { ...claim(1), madeAfterMs: Date.now() + 1_000 })).toEqual(none);
  expect(await claimCall(database, { ...claim(1), userId: crypto.randomUUID() })).toEqual(none);
  const { userId } = keyed.head;
  expect(await claimCall(database, { ...claim(1), userId, fingerprint })).toEqual(none);
});

test("a call that was answered has no repetition", async () => {
  const { rows, claim } = await makeCalls(1);
  await Promise.all(rows.map((row) => letGo(row, true)));

  expect(await claimCall(database, claim(1))).toEqual({ kind: "none" });
});

test("a client that does not count gets what nobody waits for, and never what somebody does", async () => {
  const { rows, claim } = await makeCalls(1);
  const { requestId } = rows[0]?.head ?? { requestId: "" };
  await note(OTHER);

  const held = await claimCall(database, claim(null));
  await Promise.all(rows.map((row) => letGo(row)));
  const claimed = await claimCall(database, claim(null));

  expect([held, claimed]).toEqual([{ kind: "held" }, { kind: "claimed", requestId }]);
  expect(await claimCall(database, claim(null))).toEqual({ kind: "held" });
});
