import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";

import type { Priority } from "../../core/queue/fair-order.ts";
import type { ParkedRef, WaitingTurn } from "../../core/queue/lane.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";
import { createMigratedDatabase, type MigratedDatabase } from "../../test/support/postgres.ts";
import { completion, ending, HOUR_MS, newRequest } from "../../test/support/request-samples.ts";
import { idTimeMs } from "../ids/id-time.ts";
import type { Database } from "./connect.ts";
import { finishRequests } from "./finish-requests.ts";
import { discardRequests, insertRequests } from "./insert-requests.ts";
import {
  countParked,
  deleteParked,
  endsOf,
  overdueRetries,
  parkRequests,
  readParked,
  tiersOf,
} from "./parked.ts";
import { nextParked, waitingTurns } from "./parked-turns.ts";
import { outboxOfDeadPublishers } from "./publishers.ts";

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
const parkedAs = (priority: Priority): Pick<NewRequest, "priority" | "isParked"> => ({
  priority,
  isParked: true,
});

const turn = (userId: string, priority: Priority = "normal", model = "sim-chat") => ({
  model,
  userId,
  priority,
});

async function store(...rows: NewRequest[]): Promise<NewRequest[]> {
  await insertRequests(database, rows);
  return rows;
}

describe("what is accepted as parked", () => {
  test("is parked in the statement that stores it, and only that", async () => {
    const key = { keyHash: new Uint8Array(32).fill(1), fingerprint: new Uint8Array(32).fill(2) };
    const rows = await store(
      newRequest(parkedAs("low")),
      newRequest(),
      newRequest({ ...parkedAs("high"), idempotency: key }),
    );

    const read = await readParked(database, rows.map(idOf));

    expect(
      read.map(({ request, isKeyed }) => [request.head.requestId, request.priority, isKeyed]),
    ).toEqual(
      expect.arrayContaining([
        [idOf(rows[0] as NewRequest), "low", false],
        [idOf(rows[2] as NewRequest), "high", true],
      ]),
    );
    expect(read).toHaveLength(2);
  });

  test("is not parked when it comes too late to be stored", async () => {
    const late = newRequest({ ...parkedAs("normal"), acceptUntilMs: Date.now() - 1 });
    await store(late);

    expect(await countParked(database)).toEqual(new Map());
  });

  test("is not what a dead gateway left behind", async () => {
    const publisherId = crypto.randomUUID();
    await database.run(
      "a gateway that fell silent",
      (sql) => sql`
        insert into publishers (publisher_id, host, seen_at, confirmed_through, unconfirmed)
        values (${publisherId}, 'h', now() - interval '1 hour', '00000000-0000-0000-0000-000000000000', 2)`,
    );
    const [, direct] = await store(
      newRequest({ publisherId, ...parkedAs("normal") }),
      newRequest({ publisherId }),
    );

    const outboxes = await outboxOfDeadPublishers(database, 1_000, 10);

    const ours = outboxes.find((outbox) => outbox.publisherId === publisherId);
    expect(ours?.entries.map(({ request }) => request.head.requestId)).toEqual([
      idOf(direct as NewRequest),
    ]);
  });
});

const withoutTime = ({ model, userId, priority }: WaitingTurn): ParkedRef => ({
  model,
  userId,
  priority,
});

describe("who waits", () => {
  test("is told with the time of the request that is due first", async () => {
    const userId = crypto.randomUUID();
    const rows = [
      newRequest({ userId, ...parkedAs("normal") }),
      newRequest({ userId, ...parkedAs("normal") }),
    ];
    await store(...rows);

    const [found] = await waitingTurns(database, null, 10);

    expect(found?.sinceMs).toBe(idTimeMs(idOf(rows[0] as NewRequest)));
  });

  test("is found by model, user and class, page by page, however many requests each has", async () => {
    const [a, b] = [crypto.randomUUID(), crypto.randomUUID()].toSorted() as [string, string];
    await store(
      ...[1, 2, 3].map(() => newRequest({ userId: a, ...parkedAs("normal") })),
      newRequest({ userId: a, ...parkedAs("high") }),
      newRequest({ userId: b, ...parkedAs("normal") }),
      newRequest({ userId: b, model: "another", ...parkedAs("low") }),
    );
    const expected = [
      turn(b, "low", "another"),
      turn(a, "high"),
      turn(a, "normal"),
      turn(b, "normal"),
    ];

    const all = await waitingTurns(database, null, 10);
    const first = await waitingTurns(database, null, 3);
    const rest = await waitingTurns(database, first.at(-1) ?? null, 3);

    expect(all.map(withoutTime)).toEqual(expected);
    expect([...first, ...rest]).toEqual(all);
  });

  test("is not read request by request", async () => {
    const userId = crypto.randomUUID();
    await store(
      ...Array.from({ length: 500 }, () => newRequest({ userId, ...parkedAs("normal") })),
    );
    await database.run("vacuum", (sql) => sql`analyze parked`);

    const [plan] = await database.run(
      "explain",
      (sql) => sql<{ "QUERY PLAN": string }[]>`
        explain select model from parked
        where (model, user_id, priority) > ('', '00000000-0000-0000-0000-000000000000', 0)
        order by model, user_id, priority limit 1`,
    );

    expect(plan?.["QUERY PLAN"]).toContain("Limit");
    const [found, ...more] = await waitingTurns(database, null, 10);
    expect([found && withoutTime(found), ...more]).toEqual([turn(userId)]);
  });
});

describe("the next of a user", () => {
  test("is what is due first: the earliest deadline, else the oldest", async () => {
    const userId = crypto.randomUUID();
    const nowMs = Date.now();
    const of = (ago: number, ttl: number) =>
      newRequest({
        userId,
        createdAtMs: nowMs - ago,
        expiresAtMs: nowMs - ago + ttl,
        ...parkedAs("normal"),
      });
    const [old, young, hasty] = await store(
      of(5_000, 24 * HOUR_MS),
      of(1_000, 24 * HOUR_MS),
      of(0, HOUR_MS),
    );

    const [places = []] = await nextParked(database, [turn(userId)], [10]);

    expect(places.map(({ requestId }) => requestId)).toEqual(
      [hasty, old, young].map((row) => idOf(row as NewRequest)),
    );
  });

  test("is read for many turns at once, each as far as asked", async () => {
    const [a, b] = [crypto.randomUUID(), crypto.randomUUID()];
    await store(
      ...[1, 2, 3].map(() => newRequest({ userId: a, estimatedTokens: 7, ...parkedAs("normal") })),
      newRequest({ userId: b, ...parkedAs("normal") }),
    );

    const places = await nextParked(
      database,
      [turn(b), turn(crypto.randomUUID()), turn(a)],
      [5, 5, 2],
    );

    expect(places.map(({ length }) => length)).toEqual([1, 0, 2]);
    expect(places[2]?.[0]?.estimatedTokens).toBe(7);
  });
});

describe("what comes back", () => {
  const lastError = { code: "UPSTREAM_UNAVAILABLE", message: "status 503" } as const;

  const queuedOf = ({ head, prompt }: NewRequest, attempt = 1) => ({
    head,
    attempt,
    payload: prompt,
  });

  test("keeps its attempt, its class and what it met last", async () => {
    const [row] = await store(newRequest());
    const request = { ...queuedOf(row as NewRequest, 3), lastError, priority: "high" as const };

    await parkRequests(database, [request]);

    const [read] = await readParked(database, [request.head.requestId]);
    expect(read?.request).toMatchObject({ attempt: 3, lastError, priority: "high" });
  });

  test("twice is parked once, with the later attempt", async () => {
    const [row] = await store(newRequest());
    const of = (attempt: number) => queuedOf(row as NewRequest, attempt);

    await parkRequests(database, [of(2), of(3), of(1)]);
    await parkRequests(database, [of(2)]);

    const [read] = await readParked(database, [idOf(row as NewRequest)]);
    expect(read?.request.attempt).toBe(3);
  });

  test("after its end is not parked, and what ends while parked is not read", async () => {
    const [ended, ends] = await store(newRequest(), newRequest(parkedAs("normal")));
    await finishRequests(database, [ending(idOf(ended as NewRequest), "cancelled")]);
    await parkRequests(database, [queuedOf(ended as NewRequest)]);

    await finishRequests(database, [ending(idOf(ends as NewRequest), "cancelled")]);

    const ids = [ended, ends].map((row) => idOf(row as NewRequest));
    expect(await readParked(database, ids)).toEqual([]);
    await deleteParked(database, ids);
    expect(await countParked(database)).toEqual(new Map());
  });

  test("that was discarded is not read", async () => {
    const [row] = await store(newRequest(parkedAs("normal")));

    await discardRequests(database, [idOf(row as NewRequest)]);

    expect(await readParked(database, [idOf(row as NewRequest)])).toEqual([]);
  });

  test("too late for its next attempt is found, first attempts are not", async () => {
    const expiresAtMs = Date.now() - 1;
    const [retry, fresh] = await store(newRequest({ expiresAtMs }), newRequest({ expiresAtMs }));
    await parkRequests(database, [
      { ...queuedOf(retry as NewRequest, 3), lastError },
      queuedOf(fresh as NewRequest, 1),
    ]);

    expect(await overdueRetries(database, 10)).toEqual([
      {
        requestId: idOf(retry as NewRequest),
        userId: (retry as NewRequest).head.userId,
        attempts: 2,
        lastError,
      },
    ]);
  });
});

test("the ends of dispatched requests tell what was billed", async () => {
  const [done, failed, open] = await store(newRequest(), newRequest(), newRequest());
  await finishRequests(database, [
    completion(idOf(done as NewRequest)),
    ending(idOf(failed as NewRequest), "failed"),
  ]);
  const ids = [done, failed, open].map((row) => idOf(row as NewRequest));

  const ends = await endsOf(database, ids);

  expect(new Map(ends.map(({ requestId, tokens }) => [requestId, tokens]))).toEqual(
    new Map([
      [ids[0] ?? "", 30],
      [ids[1] ?? "", 0],
    ]),
  );
});

test("a user without a daily quota has the default tier", async () => {
  expect(await tiersOf(database, [crypto.randomUUID()])).toEqual([undefined]);
});
