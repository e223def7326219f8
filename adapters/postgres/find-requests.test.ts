import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { findRequests, listRequests, readQueued } from "./find-requests.ts";
import { finishRequests } from "./finish-requests.ts";
import { insertRequests } from "./insert-requests.ts";
import { overdueRequests, queuedBefore, waitingByModel } from "./open-requests.ts";
import { ensurePartitions } from "./partitions.ts";
import {
  ending,
  createMigratedDatabase,
  HOUR_MS,
  type MigratedDatabase,
  newRequest,
  SEALED,
} from "../../test/support/postgres.ts";

const USER = crypto.randomUUID();
const NOW = Date.now();
/** Three days of requests, so three partitions; the last two requests are overdue. */
const ROWS = [30, 20, 10, 2, 1].map((hoursAgo, i) =>
  newRequest({
    userId: USER,
    createdAtMs: NOW - hoursAgo * HOUR_MS,
    expiresAtMs: i < 3 ? NOW + HOUR_MS : NOW - 1,
    model: i === 0 ? "slow" : "fast",
  }),
);
const IDS = ROWS.map((row) => row.head.requestId);

let server: MigratedDatabase;
beforeAll(async () => {
  server = await createMigratedDatabase();
  await ensurePartitions(server.database, 1);
  await insertRequests(server.database, ROWS);
  await finishRequests(server.database, [ending(IDS[1] ?? "", "cancelled")]);
});
afterAll(() => server.drop());

const OPEN_IDS = IDS.filter((_, i) => i !== 1);

test("many requests of many users are found at once, in the order asked", async () => {
  const found = await findRequests(
    server.database,
    IDS.toReversed().map((requestId) => ({ requestId, userId: USER })),
  );

  expect(found.map((request) => request?.requestId)).toEqual(IDS.toReversed());
});

test("another user's request is not found, even beside a look-up of one's own", async () => {
  const stranger = newRequest();
  await insertRequests(server.database, [stranger]);
  const [mine = ""] = IDS;
  const theirs = stranger.head.requestId;

  const found = await findRequests(server.database, [
    { requestId: mine, userId: stranger.head.userId },
    { requestId: theirs, userId: USER },
    { requestId: mine, userId: USER },
  ]);

  expect(found.map((request) => request?.requestId)).toEqual([undefined, undefined, mine]);
});

describe("a user's list", () => {
  test("is newest first and comes in pages", async () => {
    const first = await listRequests(server.database, { userId: USER, limit: 3 });
    const second = await listRequests(server.database, {
      userId: USER,
      limit: 3,
      before: first.at(-1)?.requestId,
    });

    expect([...first, ...second].map(({ requestId }) => requestId)).toEqual(IDS.toReversed());
  });

  test("can be filtered by state", async () => {
    const open = await listRequests(server.database, { userId: USER, limit: 10, state: "queued" });
    const cancelled = await listRequests(server.database, {
      userId: USER,
      limit: 10,
      state: "cancelled",
    });

    expect(open.map(({ requestId }) => requestId)).toEqual(OPEN_IDS.toReversed());
    expect(cancelled.map(({ requestId }) => requestId)).toEqual([IDS[1] ?? ""]);
  });
});

test("what is read for publishing is what was stored, open requests only", async () => {
  const queued = await readQueued(server.database, IDS);

  expect(queued.map(({ head }) => head)).toEqual(
    ROWS.filter((_, i) => i !== 1).map(({ head }) => head),
  );
  expect(queued.every(({ payload, attempt }) => attempt === 1 && SEALED.equals(payload))).toBe(
    true,
  );
});

test("overdue and old requests are paged to the end", async () => {
  const overdue = await overdueRequests(server.database, null, 10);
  const page = await queuedBefore(server.database, NOW - 5 * HOUR_MS, null, 1);
  const next = await queuedBefore(server.database, NOW - 5 * HOUR_MS, page.next, 10);

  expect(overdue).toEqual({
    items: IDS.slice(3).map((requestId) => ({ requestId, userId: USER })),
    next: null,
  });
  expect([...page.items, ...next.items].map(({ head }) => head.requestId)).toEqual([
    IDS[0] ?? "",
    IDS[2] ?? "",
  ]);
  expect(next.next).toBeNull();
});

test("overdue requests come in the order in which they were due, page by page", async () => {
  const first = await overdueRequests(server.database, null, 1);
  const second = await overdueRequests(server.database, first.next, 1);
  const last = await overdueRequests(server.database, second.next, 1);

  const ids = [first, second].flatMap(({ items }) => items.map(({ requestId }) => requestId));
  expect(ids).toEqual(IDS.slice(3));
  expect(last).toEqual({ items: [], next: null });
});

test("what waits is summed by model", async () => {
  const waiting = await waitingByModel(server.database);

  expect(waiting.find(({ model }) => model === "slow")).toEqual({
    model: "slow",
    requests: 1,
    tokens: 100,
    oldestCreatedAtMs: NOW - 30 * HOUR_MS,
  });
  expect(waiting.find(({ model }) => model === "fast")).toMatchObject({ requests: 3, tokens: 300 });
});
