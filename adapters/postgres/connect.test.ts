import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { Fault } from "../../core/faults.ts";
import { connectPostgres, type Database, type Planning } from "./connect.ts";
import { isDataFault } from "./errors.ts";
import { createMigratedDatabase, type MigratedDatabase } from "../../test/support/postgres.ts";
import { startTcpProxy, type TcpProxy } from "../../test/support/tcp-proxy.ts";

const DEADLINE_MS = 300;

let server: MigratedDatabase;
let proxy: TcpProxy;
let frozen: Database;

beforeAll(async () => {
  server = await createMigratedDatabase();
  proxy = await startTcpProxy(server.url);
  frozen = server.connect({
    url: proxy.url,
    deadlineMs: DEADLINE_MS,
    statementTimeoutMs: 200,
    poolMax: 2,
  });
});
afterAll(async () => {
  await server.drop();
  await proxy.stop();
});

const select1 = (database: Database) =>
  database.run("select one", (sql) => sql<{ one: number }[]>`select 1 as one`);

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no failure",
    (error: unknown) => error,
  );

const isUnavailable = (error: unknown): boolean =>
  error instanceof Fault && error.code === "STORE_UNAVAILABLE";

describe("a server that freezes", () => {
  test("fails every query within the deadline and is used again as soon as it answers", async () => {
    await select1(frozen);
    proxy.freeze();
    const startedAt = performance.now();

    const failures = await Promise.all(
      Array.from({ length: 20 }, () => failureOf(select1(frozen))),
    );

    expect(failures.every(isUnavailable)).toBe(true);
    expect(performance.now() - startedAt).toBeLessThan(4 * DEADLINE_MS);
    proxy.heal();
    expect(await select1(frozen)).toMatchObject([{ one: 1 }]);
  });

  test("does not hang close", async () => {
    const database = server.connect({ url: proxy.url, deadlineMs: DEADLINE_MS });
    await select1(database);
    proxy.freeze();
    const pending = failureOf(select1(database));
    await new Promise((resolve) => void setImmediate(resolve)); // It is sent.

    await database.close(50);

    expect(isUnavailable(await pending)).toBe(true);
    proxy.heal();
  });
});

test("connections that were cut without a word are replaced after one deadline", async () => {
  await Promise.all([select1(frozen), select1(frozen)]);
  proxy.blackhole();
  proxy.heal();

  const failure = await failureOf(select1(frozen));

  expect(isUnavailable(failure)).toBe(true);
  expect(await select1(frozen)).toMatchObject([{ one: 1 }]);
});

test("a server that is not there is a fault, not an exception of the client library", async () => {
  const nowhere = connectPostgres({
    url: "postgres://127.0.0.1:1/none",
    poolMax: 1,
    statementTimeoutMs: 500,
    deadlineMs: 1_000,
    name: "test",
  });

  const failure = await failureOf(nowhere.ping());
  await nowhere.close(0);

  expect(isUnavailable(failure)).toBe(true);
  expect(failure).toHaveProperty("cause.code", "ECONNREFUSED");
});

test("a server that takes no more connections costs none that stands", async () => {
  const role = `limited_${crypto.randomUUID().replaceAll("-", "")}`;
  await server.database.run("make a role", (sql) =>
    sql.unsafe(`create role ${role} login connection limit 1 password '${role}'`),
  );
  const url = new URL(server.url);
  [url.username, url.password] = [role, role];
  const database = server.connect({ url: url.href, poolMax: 3 });
  const pid = () =>
    database.run(
      "pid",
      (sql) => sql<{ pid: number }[]>`select pg_backend_pid() as pid, pg_sleep(0.05)`,
    );
  const [before] = await pid();

  const both = await Promise.allSettled([pid(), pid()]);
  const [after] = await pid();
  await database.close(0);
  await server.database.run("drop the role", (sql) => sql.unsafe(`drop role ${role}`));

  expect(both).toMatchObject([
    { status: "fulfilled" },
    { status: "rejected", reason: { code: "STORE_UNAVAILABLE", cause: { code: "53300" } } },
  ]);
  expect(after).toEqual(before);
});

test("a statement that takes too long is cancelled by the server and leaves the pool alone", async () => {
  const database = server.connect({ statementTimeoutMs: 50, deadlineMs: 5_000, poolMax: 1 });
  const [{ pid: before } = { pid: 0 }] = await database.run(
    "pid",
    (sql) => sql<{ pid: number }[]>`select pg_backend_pid() as pid`,
  );

  const failure = await failureOf(database.run("sleep", (sql) => sql`select pg_sleep(2)`));

  expect(failure).toHaveProperty("cause.code", "57014");
  const [{ pid: after } = { pid: 0 }] = await database.run(
    "pid",
    (sql) => sql<{ pid: number }[]>`select pg_backend_pid() as pid`,
  );
  expect(after).toBe(before);
});

test("statements planned once have connections of their own, within the pool's number", async () => {
  const database = server.connect({ poolMax: 4 });
  const look = (planning: Planning) =>
    database.run(
      "look",
      (sql) => sql<{ pid: number; mode: string }[]>`
        select pg_backend_pid() as pid, current_setting('plan_cache_mode') as mode, pg_sleep(0.02)`,
      planning,
    );

  const once = await Promise.all(Array.from({ length: 12 }, () => look("once")));
  const each = await Promise.all(Array.from({ length: 12 }, () => look("each")));

  expect(new Set(once.map(([row]) => row?.mode))).toEqual(new Set(["force_generic_plan"]));
  expect(new Set(each.map(([row]) => row?.mode))).toEqual(new Set(["force_custom_plan"]));
  expect(new Set([...once, ...each].map(([row]) => row?.pid)).size).toBe(4);
});

test("an error in the values is told from an error of the server", async () => {
  const bad = await failureOf(
    server.database.run("divide", (sql) => sql`select 1 / ${0}::integer`),
  );
  const missing = await failureOf(
    server.database.run("missing", (sql) => sql`select * from no_such_table`),
  );

  expect(isDataFault(bad)).toBe(true);
  expect(isDataFault(missing)).toBe(false);
  expect(isUnavailable(missing)).toBe(true);
});

test("an error of our own code is passed on as it is", async () => {
  const failure = await failureOf(
    server.database.run("throw", () => Promise.reject(new TypeError("ours"))),
  );

  expect(failure).toBeInstanceOf(TypeError);
});

test("a killed connection fails its query and the next one works", async () => {
  const database = server.connect({ poolMax: 1 });

  const failure = await failureOf(
    database.run("kill", (sql) => sql`select pg_terminate_backend(pg_backend_pid())`),
  );

  expect(isUnavailable(failure)).toBe(true);
  expect(await select1(database)).toMatchObject([{ one: 1 }]);
});

test("times are Unix milliseconds, days are text, and a bigint beyond any number is refused", async () => {
  const [row] = await server.database.run(
    "types",
    (sql) => sql`
      select
        ${1_795_000_000_123}::timestamptz as at,
        ${"2026-11-21"}::date as day,
        9007199254740991::bigint as most`,
  );

  expect(row).toEqual({ at: 1_795_000_000_123, day: "2026-11-21", most: Number.MAX_SAFE_INTEGER });
  const failure = await failureOf(
    server.database.run("types", (sql) => sql`select 9007199254740993::bigint as more`),
  );
  expect(failure).toBeInstanceOf(RangeError);
});

test("a ping tells how far the clocks are apart", async () => {
  const { aheadMs } = await server.database.ping();

  expect(Math.abs(aheadMs)).toBeLessThan(1_000);
});
