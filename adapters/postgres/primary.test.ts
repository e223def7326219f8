import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";

import { Fault } from "../../core/faults.ts";
import { createMigratedDatabase, type MigratedDatabase } from "../../test/support/postgres.ts";
import { startTcpProxy, type TcpProxy } from "../../test/support/tcp-proxy.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { Database } from "./connect.ts";

const DEADLINE_MS = 3_000;

let server: MigratedDatabase;
let first: TcpProxy;
let second: TcpProxy;
let url: string;

beforeAll(async () => {
  server = await createMigratedDatabase();
});
beforeEach(async () => {
  first = await startTcpProxy(server.url);
  second = await startTcpProxy(server.url);
  url = first.url.replace(`:${first.port}`, `:${first.port},127.0.0.1:${second.port}`);
});
afterEach(async () => {
  await Promise.all([first.stop(), second.stop()]);
  await setReadOnly(false);
});
afterAll(() => server.drop());

const connect = (): Database => server.connect({ url, deadlineMs: DEADLINE_MS, poolMax: 4 });

const ask = (database: Database) =>
  database.run("ask", (sql) => sql<{ one: number }[]>`select 1 as one`);

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no failure",
    (error: unknown) => error,
  );

/** For sessions that begin from now on. */
async function setReadOnly(isReadOnly: boolean): Promise<void> {
  const name = new URL(server.url).pathname.slice(1);
  await server.database.run(
    "set read-only",
    (sql) => sql`
      alter database ${sql(name)}
      set default_transaction_read_only = ${sql.unsafe(isReadOnly ? "on" : "off")}`,
  );
}

test("a first server that is silent does not keep anybody from the one that takes writes", async () => {
  first.blackhole();
  const database = connect();

  expect(await ask(database)).toMatchObject([{ one: 1 }]);
  expect(second.connections()).toBeGreaterThan(0);
});

test("a primary that vanishes is left after one deadline, and the other one is used at once", async () => {
  const database = connect();
  await ask(database);
  // Of those that looked, only the one that was chosen is still connected.
  await untilTrue("one is left", 2_000, () => first.connections() > 0 !== second.connections() > 0);
  const [used, other] = first.connections() > 0 ? [first, second] : [second, first];
  used.blackhole();

  const failure = await failureOf(ask(database));

  expect(failure).toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect(await ask(database)).toMatchObject([{ one: 1 }]);
  expect(other.connections()).toBeGreaterThan(0);
});

test("servers that take no writes are refused by name, until one takes them", async () => {
  second.refuse();
  await setReadOnly(true);
  const database = connect();

  const failure = await failureOf(ask(database));

  expect(failure).toBeInstanceOf(Fault);
  expect(failure).toHaveProperty("cause.name", "NoPrimary");
  expect(failure).toHaveProperty(
    "cause.message",
    expect.stringContaining(`127.0.0.1:${first.port} is read-only`),
  );
  await setReadOnly(false);
  expect(await ask(database)).toMatchObject([{ one: 1 }]);
});

test("a statement that nobody waits for any more is not made when a primary is found", async () => {
  first.refuse();
  second.refuse();
  const database = server.connect({ url, deadlineMs: 100, statementTimeoutMs: 50, poolMax: 1 });
  let made = 0;

  const look = (): Promise<unknown> =>
    database.run("count", (sql) => {
      made += 1;
      return sql`select 1`;
    });
  // The first look ends at once; the second waits its turn for longer than the deadline.
  await failureOf(look());
  const failure = await failureOf(look());
  first.heal();

  expect(failure).toMatchObject({ code: "STORE_UNAVAILABLE" });
  await ask(database).catch(() => {});
  await ask(connect());
  expect(made).toBe(0);
});
