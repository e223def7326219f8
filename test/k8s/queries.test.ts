/**
 * Every query of dashboards, rules and scaled objects against servers. The SQL ones run on an empty schema wherever DATABASE_URL is set;
 * all of them run on a stack under load when its addresses are given:
 *
 *   LIVE_PROMETHEUS_URL=http://127.0.0.1:9099 LIVE_DATABASE_URL=postgres://… bun test test/k8s/queries.test.ts
 *
 * The Prometheus must have scraped for a minute, with the jobs gateway, worker and collector and the label namespace="tollgate", and have
 * loaded docker/prometheus-rules.yaml; the load must have gone through every model for that minute.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import postgres from "postgres";

import { migrate } from "../../adapters/postgres/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../servers.ts";
import { built, installations } from "./built.ts";
import { constant, promqlQueries, sqlQueries } from "./dashboards.ts";
import { withoutVariables } from "./promql.ts";
import { ofKind, type PrometheusRule, type ScaledObject } from "./resources.ts";

const prometheusUrl = process.env["LIVE_PROMETHEUS_URL"];
const databaseUrl = process.env["LIVE_DATABASE_URL"];

/** Queries that are right to return nothing on a stack that is well. */
const MAY_BE_EMPTY = new Set([
  // Nobody made a mistake.
  "Tollgate / Components, Answers that are not 2xx",
  // Nobody waited for an answer.
  "Tollgate / Components, Long-polls",
  // The stack keeps up.
  "Tollgate / Quota utilisation, Open requests",
]);

/** Grafana's variables and macros as its PostgreSQL data source replaces them, for all users and the last day. */
function expandSql(query: string, userIds: readonly string[]): string {
  const users = userIds.map((id) => `'${id}'`).join(", ");
  return query
    .replaceAll("${tiers:raw}", constant("tiers"))
    .replaceAll("${user:singlequote}", users)
    .replace(/\$__timeFilter\(([^)]*)\)/g, "$1 between now() - interval '1 day' and now()");
}

async function allUserIds(url: string): Promise<string[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<{ user_id: string }[]>`select user_id from users limit 1000`;
    return rows.map(({ user_id }) => user_id);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Rows of a query, in a transaction that may only read, as Grafana's role. */
async function rowsOf(url: string, query: string): Promise<readonly unknown[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await sql.begin("read only", (tx) => tx.unsafe(query));
  } finally {
    await sql.end({ timeout: 5 });
  }
}

interface PrometheusReply {
  status: string;
  error?: string;
  data?: { result: { value: [number, string] }[] };
}

/** The samples of an instant query; a refused query throws Prometheus's own words. */
async function samplesOf(query: string): Promise<number[]> {
  const url = new URL("/api/v1/query", prometheusUrl);
  url.searchParams.set("query", query);
  const reply = (await (
    await fetch(url, { signal: AbortSignal.timeout(10_000) })
  ).json()) as PrometheusReply;
  if (reply.data === undefined) throw new Error(`${query}: ${reply.error ?? reply.status}`);
  return reply.data.result.map(({ value: [, text] }) => Number(text));
}

describe.skipIf(!process.env["DATABASE_URL"])("SQL of the dashboards", () => {
  const USER_ID = "00000000-0000-7000-8000-000000000001";
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrate({ url: database.url });
  });
  afterAll(() => database.drop());

  test.each(sqlQueries)("$dashboard, $panel: fits the schema", async ({ query }) => {
    expect(Array.isArray(await rowsOf(database.url, expandSql(query, [USER_ID])))).toBe(true);
  });
});

test.skipIf(!databaseUrl)(
  "every SQL query of a panel returns data on a stack under load",
  async () => {
    const url = databaseUrl ?? "";
    const userIds = await allUserIds(url);
    const empty: string[] = [];
    for (const { dashboard, panel, query } of sqlQueries) {
      const rows = await rowsOf(url, expandSql(query, userIds));
      if (rows.length === 0) empty.push(`${dashboard}, ${panel}`);
    }

    expect(empty.filter((name) => !MAY_BE_EMPTY.has(name))).toEqual([]);
  },
);

describe.skipIf(!prometheusUrl)("PromQL on a stack under load", () => {
  test("every query of a panel returns data", async () => {
    const empty: string[] = [];
    for (const { dashboard, panel, query } of promqlQueries) {
      const samples = await samplesOf(withoutVariables(query));
      if (samples.length === 0) empty.push(`${dashboard}, ${panel}: ${query}`);
    }

    expect(empty.filter((name) => !MAY_BE_EMPTY.has(name.split(":")[0] ?? ""))).toEqual([]);
  });

  test("every recording rule has recorded, and every alert can be asked", async () => {
    const path = join(import.meta.dir, "../../docker/prometheus-rules.yaml");
    const { groups } = Bun.YAML.parse(await Bun.file(path).text()) as PrometheusRule["spec"];
    const empty: string[] = [];
    for (const { record, expr } of groups.flatMap(({ rules }) => rules)) {
      const samples = await samplesOf(record ?? expr);
      // Nobody may have asked for a status; an alert without a sample is one that does not fire.
      if (record !== undefined && samples.length === 0 && !record.includes(":status_errors:"))
        empty.push(record);
    }

    expect(empty).toEqual([]);
  });

  test.skipIf(built === null)("every trigger gets the one number that KEDA demands", async () => {
    const triggers = installations
      .flatMap(([, resources]) => ofKind<ScaledObject>(resources, "ScaledObject"))
      .flatMap(({ spec }) => spec.triggers.flatMap(({ metadata }) => metadata["query"] ?? []));
    for (const query of triggers) {
      const samples = await samplesOf(query);

      expect([query, samples.length]).toEqual([query, 1]);
      expect(samples.every(Number.isFinite)).toBe(true);
    }
  });
});
