import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";

import type { NewRequest } from "../../core/request/stored-request.ts";
import {
  createMigratedDatabase,
  type MigratedDatabase,
  newUser,
} from "../../test/support/postgres.ts";
import { completion, ending, HOUR_MS, newRequest } from "../../test/support/request-samples.ts";
import type { Database } from "./connect.ts";
import { finishRequests } from "./finish-requests.ts";
import { insertRequests } from "./insert-requests.ts";
import {
  countOpen,
  openByIds,
  openRequests,
  parkedStanding,
  type RequestFilter,
  searchRequests,
  wholeRequest,
} from "./search-requests.ts";
import { mostBilledToday, mostOpen } from "./who-fills.ts";

let server: MigratedDatabase;
let database: Database;
beforeAll(async () => {
  server = await createMigratedDatabase();
  ({ database } = server);
});
afterAll(() => server.drop());
beforeEach(async () => {
  await database.run("empty", (sql) => sql`delete from requests`);
});

const idOf = ({ head }: NewRequest): string => head.requestId;
const [ADA, BOB] = [crypto.randomUUID(), crypto.randomUUID()];

/** Requests of two users and two models, the first two hours old, and one that has ended. */
async function someRequests(): Promise<NewRequest[]> {
  const old = Date.now() - 2 * HOUR_MS;
  const rows = [
    newRequest({ userId: ADA, model: "fast", createdAtMs: old, expiresAtMs: old + 24 * HOUR_MS }),
    newRequest({ userId: ADA, model: "slow" }),
    newRequest({ userId: BOB, model: "fast" }),
    newRequest({ userId: BOB, model: "slow" }),
  ];
  await insertRequests(database, rows);
  await finishRequests(database, [ending(idOf(rows[3] as NewRequest), "failed")]);
  return rows;
}

const FILTERS: [string, RequestFilter, number[]][] = [
  ["all", {}, [0, 1, 2]],
  ["those of a user", { userId: ADA }, [0, 1]],
  ["those of a model", { model: "fast" }, [0, 2]],
  ["those of a user and a model", { userId: ADA, model: "slow" }, [1]],
  ["those that are older", { olderThanMs: HOUR_MS }, [0]],
  ["none that fit", { userId: BOB, olderThanMs: HOUR_MS }, []],
];

describe("open requests", () => {
  test.each(FILTERS)(
    "%s are found page by page and counted, those that ended never",
    async (_name, filter, wanted) => {
      const rows = await someRequests();
      const found: string[] = [];
      let after: string | null = null;
      do {
        const page: Awaited<ReturnType<typeof openRequests>> = await openRequests(
          database,
          filter,
          after,
          1,
        );
        found.push(...page.items.map(({ requestId }) => requestId));
        after = page.next;
      } while (after !== null);

      const ids = wanted.map((index) => idOf(rows[index] as NewRequest));
      expect(found.toSorted()).toEqual(ids.toSorted());
      expect(await countOpen(database, filter)).toBe(wanted.length);
    },
  );

  test("are found by their ids, with their users", async () => {
    const rows = await someRequests();

    expect(await openByIds(database, rows.map(idOf))).toHaveLength(3);
    expect(await openByIds(database, [idOf(rows[2] as NewRequest)])).toEqual([
      { requestId: idOf(rows[2] as NewRequest), userId: BOB, model: "fast" },
    ]);
  });
});

describe("a search", () => {
  test("finds requests of all users, newest first, in pages", async () => {
    const rows = await someRequests();
    const newestFirst = rows.map(idOf).toSorted().toReversed();

    const first = await searchRequests(database, {}, { limit: 3 });
    const second = await searchRequests(database, {}, { before: first.next ?? "", limit: 3 });

    expect([...first.items, ...second.items].map(({ requestId }) => requestId)).toEqual(
      newestFirst,
    );
    expect(second.next).toBeNull();
  });

  test("finds those in one state only", async () => {
    const rows = await someRequests();

    const { items } = await searchRequests(database, { state: "failed" }, { limit: 10 });

    expect(items).toMatchObject([
      { requestId: idOf(rows[3] as NewRequest), errorCode: "CANCELLED" },
    ]);
  });
});

test("one request is read with all that is stored of it, and how it is parked", async () => {
  const request = newRequest({ userId: ADA, isParked: true, priority: "high" });
  await insertRequests(database, [request]);

  expect(await wholeRequest(database, idOf(request))).toMatchObject({
    userId: ADA,
    state: "queued",
    windowDay: request.head.windowDay,
    expiresAtMs: request.head.expiresAtMs,
    result: null,
  });
  expect(await parkedStanding(database, idOf(request))).toEqual({ priority: "high", attempt: 1 });
  expect(await wholeRequest(database, crypto.randomUUID())).toBeUndefined();
  expect(await parkedStanding(database, crypto.randomUUID())).toBeUndefined();
});

describe("who fills the queue", () => {
  test("are those with most open requests, with what they hold", async () => {
    const user = await newUser(database);
    const rows = Array.from({ length: 3 }, () => newRequest({ userId: user, estimatedTokens: 7 }));
    await insertRequests(database, [...rows, newRequest({ userId: BOB })]);

    expect(await mostOpen(database, 2)).toMatchObject([
      { userId: user, name: "Ada", email: `${user}@example.com`, requests: 3, tokens: 21 },
      { userId: BOB, name: null, email: null, requests: 1 },
    ]);
    expect(await mostOpen(database, 1)).toHaveLength(1);
  });

  test("today are those who were billed most tokens of this UTC day", async () => {
    const [more, less, before] = await Promise.all([1, 2, 3].map(() => newUser(database)));
    const rows = [
      newRequest({ userId: more ?? "" }),
      newRequest({ userId: more ?? "" }),
      newRequest({ userId: less ?? "" }),
      newRequest({ userId: before ?? "", windowDay: "2026-01-01" }),
    ];
    await insertRequests(database, rows);
    await finishRequests(
      database,
      rows.map((row) => completion(idOf(row))),
    );

    expect(await mostBilledToday(database, 10)).toMatchObject([
      { userId: more, requests: 2, tokens: 60 },
      { userId: less, requests: 1, tokens: 30 },
    ]);
  });
});
