/** PgBouncer in transaction mode before PostgreSQL: what goes through it, and what is refused. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import postgres from "postgres";

import { connectPostgres } from "../../adapters/postgres/connect.ts";
import type { Component } from "../../local/stack/component.ts";
import { commandsWith } from "../cli/command.ts";
import { bringPgbouncer, type Pgbouncer, startPgbouncer } from "../support/pgbouncer.ts";
import { createTestDatabase, serverUrls } from "../support/servers.ts";
import { startTestStack, type TestStack } from "../support/stack/stack.ts";

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;
const END_LIMIT_MS = 15_000;
const REQUESTS = 200;
const STATEMENTS = 1_000;
const REFUSAL =
  "this connection to PostgreSQL is shared by a pooler in transaction mode: set postgres.direct_url " +
  "(DATABASE_DIRECT_URL) to the server itself";
/** As people write it who have met such a refusal before; without it PgBouncer refuses each of these. */
const IGNORING =
  "ignore_startup_parameters = statement_timeout,lock_timeout,jit,plan_cache_mode,enable_seqscan";

const program = await bringPgbouncer();

describe.skipIf(program === undefined).each([
  ["that refuses settings", []],
  ["that drops settings", [IGNORING]],
])("a PgBouncer in transaction mode %s", (_, config) => {
  let pgbouncer: Pgbouncer;
  let stack: TestStack;
  beforeAll(async () => {
    pgbouncer = await startPgbouncer(program ?? "", serverUrls().postgres, config);
    stack = await startTestStack({
      servers: serverUrls(),
      gateways: 2,
      collectors: 2,
      through: async (direct) => ({
        ...direct,
        postgres: pgbouncer.through(direct.postgres),
        postgresDirect: direct.postgres,
      }),
    });
  }, START_LIMIT_MS);
  afterAll(async () => {
    await stack?.stop();
    await pgbouncer?.remove();
  }, STOP_LIMIT_MS);

  test(
    "completes and settles what is accepted, past it only what needs a session",
    async () => {
      const user = await stack.addUser();

      const ends = await Promise.all(
        Array.from({ length: REQUESTS }, async (__, index) => {
          const api = stack.api(user, index % 2);
          const accepted = await api.generate({ prompt: `hello ${index}`, max_tokens: 16 });
          return api.untilEnded(accepted.request_id);
        }),
      );
      await stack.books.untilQuiet();

      expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(["completed"]));
      const { differences, holdsOpen } = await stack.books.audit();
      expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
      const keepers = stack.collectors.filter((one) => one.log().includes("is the keeper"));
      expect(keepers).toHaveLength(1);
      for (const one of stack.components()) expect(one.log()).not.toMatch(/prepared statement/);
      for (const one of [...stack.gateways, ...stack.collectors])
        expect(one.log()).toContain("nothing bounds statements behind the pooler");
    },
    START_LIMIT_MS,
  );

  test("gives each of many statements at once its own answer, with parameters or without", async () => {
    const database = connectPostgres({
      url: pgbouncer.through(stack.urls.postgres),
      isPooled: true,
      poolMax: 12,
      statementTimeoutMs: 4_000,
      deadlineMs: 5_000,
      name: "pooled-test",
    });
    const ask = (value: string) =>
      database.run("ask", (sql) =>
        value === "plain"
          ? sql<{ said: string }[]>`select 'plain' as said`
          : sql<{ said: string }[]>`select ${value}::text as said`,
      );
    const values = Array.from({ length: STATEMENTS }, (__, index) =>
      index % 2 === 0 ? "plain" : `number ${index}`,
    );

    const answers = await Promise.all(values.map(ask));

    expect(answers.map(([row]) => row?.said)).toEqual(values);
    await database.close();
  });

  test(
    "is refused at start by each role that is not told the server itself, in one sentence",
    async () => {
      const roles = [stack.gateways[1], stack.collectors[1]] as Component[];
      for (const component of roles) {
        await component.terminate();
        const logged = component.log().length;
        const said = await component
          .start({ DATABASE_DIRECT_URL: "" })
          .catch((error: unknown) => error);

        expect(said).toBeInstanceOf(Error);
        expect(await component.untilEnded(END_LIMIT_MS)).toBe(1);
        expect(component.log().slice(logged)).toContain(REFUSAL);
        await component.start();
      }
    },
    START_LIMIT_MS,
  );

  test("is refused as the server itself, too", async () => {
    const [collector] = stack.collectors as [Component];
    await collector.terminate();
    const logged = collector.log().length;
    const through = pgbouncer.through(stack.urls.postgres);
    await collector.start({ DATABASE_DIRECT_URL: `${through}?application_name=x` }).catch(() => {});

    expect(await collector.untilEnded(END_LIMIT_MS)).toBe(1);
    expect(collector.log().slice(logged)).toContain(REFUSAL);
    await collector.start();
  });

  test("is refused by `migrate`, which leaves nothing half done, and goes past it when told", async () => {
    const database = await createTestDatabase();
    const url = pgbouncer.through(database.url);
    const sql = postgres(database.url, { max: 1 });

    const refused = await commandsWith({ DATABASE_URL: url })("migrate");
    const [tables] = await sql`select count(*)::integer as count from pg_tables
      where schemaname = 'public'`;
    const done = await commandsWith({ DATABASE_URL: url, DATABASE_DIRECT_URL: database.url })(
      "migrate",
    );

    expect(refused.exitCode).not.toBe(0);
    expect(refused.err).toContain(REFUSAL);
    expect(refused.err.trim().split("\n")).toHaveLength(1);
    expect(tables).toEqual({ count: 0 });
    expect(done.exitCode).toBe(0);
    await sql.end();
    await database.drop();
  });
});
