/**
 * Runs every query of dashboards, rules and scaled objects against servers. The SQL queries run on an empty
 * schema. Then all of them run on a stack under load that a Prometheus reads, until each has returned data.
 * At the end its workers stop, and of its models one is dead, one to be probed and one paused: the triggers
 * must wake for what can run, and for nothing else. The test starts the stack on the servers of the test run,
 * but for a RabbitMQ that can be asked as KEDA asks, and the Prometheus from its program, unless both are
 * given:
 *
 *   LIVE_PROMETHEUS_URL=http://127.0.0.1:9099 LIVE_DATABASE_URL=postgres://… bun test test/k8s/queries
 *
 * A given Prometheus must have the jobs gateway, worker and collector, the label namespace="tollgate" and the
 * rules of docker/prometheus-rules.yaml (`./tollgate up --observe` brings such a one), and there must be
 * callers on every model who wait for the end, some of them refused, and a model that is paused. What follows
 * the load is left out then.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import postgres from "postgres";

import { migrate } from "../../adapters/postgres/migrate.ts";
import { findPrometheus, RULES_PATH } from "../../local/observe/prometheus.ts";
import type { OwnDatabase } from "../../local/stack/own-database.ts";
import { createTestDatabase } from "../support/servers.ts";
import { eventually } from "../../local/stack/eventually.ts";
import { built, installations } from "./built.ts";
import { constant, promqlQueries, sqlQueries } from "./dashboards.ts";
import { readQuery, replicasFor } from "./keda.ts";
import {
  LOADED,
  MODELS,
  type ObservedStack,
  startObservedStack,
  WAITING,
} from "./observed-stack.ts";
import { modelsOf, ofModel, samplesOf, withoutVariables } from "./promql.ts";
import { ofKind, type PrometheusRule, type ScaledObject, type Trigger } from "./resources.ts";

const hasServers = (process.env["DATABASE_URL"] ?? "") !== "";
const given = {
  prometheusUrl: process.env["LIVE_PROMETHEUS_URL"] ?? "",
  databaseUrl: process.env["LIVE_DATABASE_URL"] ?? "",
};
const isGiven = given.prometheusUrl !== "" && given.databaseUrl !== "";
const program = findPrometheus(process.env["PATH"] ?? "");
const canStart = hasServers && program !== null;
if (!isGiven && !canStart) {
  const missing = program === null ? "prometheus (apt-get install prometheus)" : "DATABASE_URL";
  console.warn(`SKIPPED, queries are not run on a stack under load: no ${missing}`);
}

const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 30_000;
/** Recording rules are evaluated every 30 s, and a panel may read one whose own query reads two scrapes. */
const DATA_LIMIT_MS = 75_000;
const PAUSE_MS = 500;
const REST_LIMIT_MS = 60_000;
/** Gauges, scrapes and RabbitMQ's counts are each some seconds old. */
const SETTLE_LIMIT_MS = 60_000;

const { groups } = Bun.YAML.parse(await Bun.file(RULES_PATH).text()) as PrometheusRule["spec"];
const rules = groups.flatMap(({ rules: some }) => some);
const alerts = rules.filter(({ alert }) => alert !== undefined);

/**
 * Grafana's variables and macros as its PostgreSQL data source replaces them, for all users and the last day.
 */
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

describe.skipIf(!hasServers)("SQL of the dashboards", () => {
  const USER_ID = "00000000-0000-7000-8000-000000000001";
  let database: OwnDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrate({ url: database.url });
  });
  afterAll(() => database.drop());

  test.each(sqlQueries)("$dashboard, $panel: fits the schema", async ({ query }) => {
    expect(Array.isArray(await rowsOf(database.url, expandSql(query, [USER_ID])))).toBe(true);
  });
});

interface Question {
  /** What a person should look for when it returns nothing. */
  name: string;
  /** How many rows or samples there are now. */
  count: () => Promise<number>;
}

/** Runs each query until it returns something. Throws with the names of those that never do. */
async function untilAnswered(questions: readonly Question[]): Promise<void> {
  let open = [...questions];
  try {
    await eventually("data", DATA_LIMIT_MS, async () => {
      const counts = await Promise.all(open.map(({ count }) => count()));
      open = open.filter((_, i) => counts[i] === 0);
      if (open.length === 0) return true;
      await Bun.sleep(PAUSE_MS);
      return undefined;
    });
  } catch (error) {
    const names = open.map(({ name }) => name).join("\n");
    throw new Error(`no data within ${DATA_LIMIT_MS} ms for\n${names}`, { cause: error });
  }
}

/** Waits until what is read is so, and shows the difference when it never is. */
async function untilEqual(reading: () => Promise<object>, wanted: object): Promise<void> {
  const settled = eventually("it is so", SETTLE_LIMIT_MS, async () =>
    Bun.deepEquals(await reading(), wanted) ? true : undefined,
  );
  await settled.catch(async () => expect(await reading()).toEqual(wanted));
}

describe.skipIf(!isGiven && !canStart)("on a stack under load", () => {
  let stack: ObservedStack | undefined;
  let { prometheusUrl, databaseUrl } = given;

  beforeAll(async () => {
    if (isGiven || program === null) return;
    stack = await startObservedStack(program);
    ({ prometheusUrl, databaseUrl } = stack);
  }, START_LIMIT_MS);
  afterAll(() => stack?.stop(), STOP_LIMIT_MS);

  /** How many samples a query of PromQL returns now, without those that divide nothing by nothing. */
  const countSamples = (query: string) => async (): Promise<number> =>
    (await samplesOf(prometheusUrl, query)).filter(Number.isFinite).length;

  test(
    "every SQL query of a panel returns data",
    async () => {
      const userIds = await allUserIds(databaseUrl);

      await untilAnswered(
        sqlQueries.map(({ dashboard, panel, query }) => ({
          name: `${dashboard}, ${panel}`,
          count: async () => (await rowsOf(databaseUrl, expandSql(query, userIds))).length,
        })),
      );
    },
    DATA_LIMIT_MS + STOP_LIMIT_MS,
  );

  test(
    "every PromQL query of a panel returns data, and every recording rule has recorded",
    async () => {
      const records = rules.flatMap(({ record }) => record ?? []);

      await untilAnswered([
        ...promqlQueries.map(({ dashboard, panel, query }) => ({
          name: `${dashboard}, ${panel}: ${query}`,
          count: countSamples(withoutVariables(query)),
        })),
        ...records.map((record) => ({ name: record, count: countSamples(record) })),
      ]);
    },
    DATA_LIMIT_MS + STOP_LIMIT_MS,
  );

  test("every alert can be asked", async () => {
    const samples = await Promise.all(alerts.map(({ expr }) => samplesOf(prometheusUrl, expr)));

    expect(samples.length).toBeGreaterThan(5);
  });

  test.skipIf(isGiven)(
    "of all alerts only those would fire that say which models are paused",
    async () => {
      await untilEqual(
        async () => {
          const models = alerts.map(async ({ alert = "", expr }) => [
            alert,
            await modelsOf(prometheusUrl, expr),
          ]);
          const all = (await Promise.all(models)) as [string, string[]][];
          return Object.fromEntries(all.filter(([, of]) => of.length > 0));
        },
        {
          TollgateModelPaused: [MODELS.dead, MODELS.due],
          TollgateModelPausedByOperator: [MODELS.resting],
        },
      );
    },
    SETTLE_LIMIT_MS + STOP_LIMIT_MS,
  );

  test.skipIf(built === null)("every trigger gets the one number that KEDA demands", async () => {
    const queries = installations
      .flatMap(([, resources]) => ofKind<ScaledObject>(resources, "ScaledObject"))
      .flatMap(({ spec }) => spec.triggers.flatMap(({ metadata }) => metadata["query"] ?? []));
    for (const query of queries) {
      const samples = await samplesOf(prometheusUrl, query);

      expect([query, samples.length]).toEqual([query, 1]);
      expect(samples.every(Number.isFinite)).toBe(true);
    }
  });

  describe.skipIf(isGiven || built === null)("and without workers", () => {
    const { dead, due, resting, healthy } = MODELS;
    const [, resources = []] = installations[0] ?? [];
    const triggersOf = (name: string): Trigger[] =>
      ofKind<ScaledObject>(resources, "ScaledObject")
        .filter(({ metadata }) => metadata.name === name)
        .flatMap(({ spec }) => spec.triggers);

    beforeAll(() => stack?.rest(), REST_LIMIT_MS);

    /** The number that a trigger gets; undefined: nobody here can be asked. */
    async function read(trigger: Trigger): Promise<number | undefined> {
      if (trigger.type === "prometheus") return readQuery(trigger, prometheusUrl);
      return trigger.type === "rabbitmq" ? await stack?.countMessages?.(trigger) : undefined;
    }

    /** How many replicas each trigger of a scaled object asks for where there are none. */
    async function replicas(name: string): Promise<Record<string, number>> {
      const entries = triggersOf(name).map(async (trigger) => {
        const value = await read(trigger);
        return value === undefined ? [] : [[trigger.name ?? "", replicasFor(trigger, value)]];
      });
      return Object.fromEntries((await Promise.all(entries)).flat());
    }

    /** A gauge by model. */
    async function shown(metric: string, models: readonly string[]): Promise<number[]> {
      const samples = models.map((model) =>
        samplesOf(prometheusUrl, `max(${metric}{model="${model}"})`),
      );
      return (await Promise.all(samples)).map(([value = Number.NaN]) => value);
    }

    test(
      "models that cannot be called wake no worker, but one for a probe that is due",
      async () => {
        const cannot = [dead, resting, due];
        await untilEqual(
          async () => ({
            loaded: await shown("gateway_requests_waiting", LOADED),
            waiting: await shown("gateway_requests_waiting", cannot),
            runnable: await shown("gateway_requests_runnable", cannot),
            workers: await replicas("worker"),
          }),
          {
            loaded: LOADED.map(() => 0),
            waiting: cannot.map(() => WAITING),
            runnable: [0, 0, 1],
            workers: {
              ...(stack?.countMessages === null ? {} : { "queue-length": 1 }),
              "oldest-runnable": 0,
              "tokens-runnable": 1,
              "token-rate": 0,
            },
          },
        );
      },
      SETTLE_LIMIT_MS + STOP_LIMIT_MS,
    );

    test("what waits wakes one replica of its ML service, unless an operator paused the model", async () => {
      const waiting = triggersOf("ml").find(({ name }) => name === "waiting");
      const query = waiting?.metadata["query"] ?? "";
      const ofModels = [dead, resting, healthy].map((model) => ofModel(query, model));
      const samples = [query, ...ofModels].map((one) => samplesOf(prometheusUrl, one));

      expect(await Promise.all(samples)).toEqual([[1], [1], [0], [0]]);
    });

    test(
      "work of a healthy model beside them wakes workers, by every trigger that may",
      async () => {
        await stack?.post(healthy, WAITING);

        await untilEqual(
          async () => ({
            runnable: await shown("gateway_requests_runnable", [healthy]),
            waking: Object.entries(await replicas("worker"))
              .filter(([, count]) => count > 0)
              .map(([name]) => name),
          }),
          {
            runnable: [WAITING],
            waking: [
              ...(stack?.countMessages === null ? [] : ["queue-length"]),
              "oldest-runnable",
              "tokens-runnable",
            ],
          },
        );
      },
      SETTLE_LIMIT_MS + STOP_LIMIT_MS,
    );
  });
});
