import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { runBisected } from "../../runtime/bisect.ts";
import { isDataFault } from "./errors.ts";
import { findRequests } from "./find-requests.ts";
import { finishRequests } from "./finish-requests.ts";
import {
  deleteIdempotencyKeysBefore,
  discardRequests,
  findReplay,
  insertRequests,
} from "./insert-requests.ts";
import { standings } from "./open-requests.ts";
import {
  completion,
  createMigratedDatabase,
  HOUR_MS,
  type MigratedDatabase,
  newRequest,
  startFreezingProxy,
} from "../../test/support/postgres.ts";
import type { NewRequest } from "../../core/stored-request.ts";

let server: MigratedDatabase;
beforeAll(async () => {
  server = await createMigratedDatabase();
});
afterAll(() => server.drop());

const idOf = (row: NewRequest): string => row.head.requestId;
const isStored = async (rows: NewRequest[]): Promise<boolean[]> =>
  (await standings(server.database, rows.map(idOf))).map((standing) => standing !== undefined);

const USER = crypto.randomUUID();
const keyed = (key: string, body: string, overrides: Partial<NewRequest> = {}): NewRequest =>
  newRequest({
    userId: USER,
    idempotency: {
      keyHash: Buffer.from(key.padEnd(32)),
      fingerprint: Buffer.from(body.padEnd(32)),
    },
    ...overrides,
  });

test("a batch is stored whole, content byte for byte", async () => {
  const rows = [newRequest(), newRequest({ metadata: Buffer.from('\0{},"\\') }), newRequest()];

  const outcomes = await insertRequests(server.database, rows);

  expect(outcomes).toEqual([{ kind: "stored" }, { kind: "stored" }, { kind: "stored" }]);
  const [first, second] = await findRequests(
    server.database,
    rows.map(({ head }) => head),
  );
  expect(first).toMatchObject({
    state: "queued",
    metadata: null,
    createdAtMs: rows[0]?.head.createdAtMs,
  });
  expect(second?.metadata).toEqual(Buffer.from('\0{},"\\'));
});

describe("an insert that comes late", () => {
  test("stores nothing of the late row and all of the others", async () => {
    const rows = [
      newRequest(),
      newRequest({ acceptUntilMs: Date.now() - 1 }),
      keyed("late", "a", { acceptUntilMs: 1 }),
    ];

    const plain = await insertRequests(server.database, rows.slice(0, 2));
    const withKey = await insertRequests(server.database, rows.slice(2));

    expect([...plain, ...withKey].map(({ kind }) => kind)).toEqual(["stored", "late", "late"]);
    expect(await isStored(rows)).toEqual([true, false, false]);
    expect(await insertRequests(server.database, [keyed("late", "b")])).toEqual([
      { kind: "stored" },
    ]);
  });

  test("because the server was frozen stores nothing when it wakes up", async () => {
    const proxy = await startFreezingProxy(server.url);
    const frozen = server.connect({ url: proxy.url, deadlineMs: 200, poolMax: 1 });
    // Prepares the statement, so that the next one is one message.
    await insertRequests(frozen, [newRequest()]);
    const row = newRequest({ acceptUntilMs: Date.now() + 150 });
    proxy.freeze();
    const refused = await insertRequests(frozen, [row]).catch((error: unknown) => error);

    proxy.thaw();

    expect(refused).toHaveProperty("code", "STORE_UNAVAILABLE");
    // Whatever was under way when it thawed is executed before the server closes the old session.
    await frozen.ping();
    await server.database.run(
      "wait for old statements",
      (sql) => sql`
        select pg_sleep(0.05)
        from pg_stat_activity
        where state = 'active' and query like 'insert into requests%'`,
    );
    expect(await isStored([row])).toEqual([false]);
    proxy.stop();
  });
});

describe("a batch with a bad row", () => {
  test.each([
    ["a value that violates a check", { estimatedTokens: -1 }],
    ["a NUL in a text", { model: "a\0b" }],
    ["an id that is none", { userId: "nobody" }],
    ["an id that tries to end the array", { userId: '"},{"' }],
    ["a number that is not whole", { estimatedTokens: 1.5 }],
  ])("fails that row alone: %s", async (_name, bad) => {
    const rows = Array.from({ length: 8 }, (_, i) => newRequest(i === 5 ? bad : {}));

    const outcomes = await runBisected(
      rows,
      (part) => insertRequests(server.database, part),
      isDataFault,
    );

    expect(outcomes.map((outcome) => outcome.ok)).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
      true,
      true,
    ]);
  });

  test("fails as a whole when the fault is not in the rows", async () => {
    const away = server.connect({ url: "postgres://127.0.0.1:1/none" });
    const rows = [newRequest(), newRequest()];

    const failed = runBisected(rows, (part) => insertRequests(away, part), isDataFault);

    expect(failed).rejects.toHaveProperty("code", "STORE_UNAVAILABLE");
    await failed.catch(() => {});
  });
});

describe("an Idempotency-Key", () => {
  test("stores only the first request and names it to every repeat, in the batch and later", async () => {
    const [first, again, otherBody] = [keyed("k1", "a"), keyed("k1", "a"), keyed("k1", "b")];

    const batch = await insertRequests(server.database, [first, newRequest(), again]);
    const later = await insertRequests(server.database, [otherBody]);

    const requestId = idOf(first);
    expect(batch).toEqual([
      { kind: "stored" },
      { kind: "stored" },
      { kind: "replay", requestId, sameBody: true },
    ]);
    expect(later).toEqual([{ kind: "replay", requestId, sameBody: false }]);
    expect(await isStored([first, again, otherBody])).toEqual([true, false, false]);
  });

  test("used on two gateways in crossing orders stores one request each, without a deadlock", async () => {
    const keys = Array.from({ length: 400 }, (_, i) => `race ${i}`);
    const gateways = Array.from({ length: 4 }, () => server.connect({ poolMax: 1 }));
    // Connects them, so that they do start together.
    await Promise.all(gateways.map((gateway) => gateway.ping()));
    const batches = gateways.map((_, i) => {
      const rows = keys.map((key) => keyed(key, "a"));
      return i % 2 === 0 ? rows : rows.toReversed();
    });

    const outcomes = (
      await Promise.all(gateways.map((gateway, i) => insertRequests(gateway, batches[i] ?? [])))
    ).flat();

    const rows = batches.flat();
    const winners = new Set(rows.filter((_, i) => outcomes[i]?.kind === "stored").map(idOf));
    expect(winners.size).toBe(keys.length);
    expect(
      outcomes.every((outcome) => outcome.kind !== "replay" || winners.has(outcome.requestId)),
    ).toBe(true);
    expect((await isStored(rows)).filter(Boolean).length).toBe(keys.length);
  });

  test("belongs to its user", async () => {
    const mine = keyed("shared", "a");
    const theirs = keyed("shared", "a", { head: newRequest().head });

    expect(await insertRequests(server.database, [mine, theirs])).toEqual([
      { kind: "stored" },
      { kind: "stored" },
    ]);
  });

  test("can be looked up before anything is stored", async () => {
    const row = keyed("looked up", "a");
    const lookup = {
      userId: USER,
      keyHash: row.idempotency?.keyHash ?? Buffer.alloc(0),
      fingerprint: Buffer.alloc(32),
    };

    const before = await findReplay(server.database, lookup);
    await insertRequests(server.database, [row]);

    expect(before).toBeUndefined();
    expect(await findReplay(server.database, lookup)).toEqual({
      requestId: idOf(row),
      sameBody: false,
    });
  });

  test("is forgotten when it is old enough, a bounded number at a time", async () => {
    const rows = [keyed("old 1", "a"), keyed("old 2", "a"), keyed("old 3", "a")];
    await insertRequests(server.database, rows);

    expect(await deleteIdempotencyKeysBefore(server.database, Date.now() - HOUR_MS, 10)).toBe(0);
    expect(await deleteIdempotencyKeysBefore(server.database, Date.now() + HOUR_MS, 2)).toBe(2);
  });
});

test("what is discarded is gone, except what has ended, runs under a key, or was never stored", async () => {
  const [plain, ended, withKey, never] = [
    newRequest(),
    newRequest(),
    keyed("kept", "a"),
    newRequest(),
  ];
  await insertRequests(server.database, [plain, ended, withKey]);
  await finishRequests(server.database, [completion(idOf(ended))]);

  const kept = await discardRequests(server.database, [plain, ended, withKey, never].map(idOf));

  expect(new Set(kept)).toEqual(new Set([idOf(ended), idOf(withKey)]));
  expect(await isStored([plain])).toEqual([false]);
});
