import { join } from "node:path";

import { connectAmqp } from "../../adapters/amqp/connection.ts";
import { queueDepths } from "../../adapters/amqp/inspect.ts";
import { connectPostgres } from "../../adapters/postgres/connect.ts";
import { PROJECT_ROOT, shortPath, statePaths } from "../../cli/paths.ts";
import { createTestDatabaseOn, uniqueQueuePrefix } from "../../test/servers.ts";
import { claimRedisIndex } from "../../test/stack/redis-index.ts";
import { buildGo } from "../load/generators.ts";
import type { BenchContext, Measured, Scenario } from "../scenarios/scenario.ts";
import { measurePeer } from "./peer.ts";

type Style = "documented" | "tuned";

const FOLDER = join(import.meta.dir, "bento");
const READY_MS = 10_000;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Builds Bento once, pinned by the go.sum beside its main.go; undefined without Go. */
async function findBento({ progress }: BenchContext): Promise<string | undefined> {
  const built = join(statePaths().dir, "bin", "bento");
  if (await Bun.file(built).exists()) return built;
  if (Bun.which("go") === null) return undefined;
  await progress.step("Bento, built from source (once, some minutes)", async () => {
    await buildGo(join(PROJECT_ROOT, "bench/peers/bento"), built);
    return { detail: shortPath(built) };
  });
  return built;
}

async function writeConfig(style: Style, folder: string): Promise<string> {
  const read = async (name: string): Promise<Record<string, unknown>> =>
    Bun.YAML.parse(await Bun.file(join(FOLDER, name)).text()) as Record<string, unknown>;
  const pipeline = await read("pipeline.yaml");
  const output = await read(`output-${style}.yaml`);
  const script = await Bun.file(join(FOLDER, "quota.lua")).text();
  const path = join(folder, `bento-${style}.json`);
  const text = JSON.stringify({ ...pipeline, ...output }, null, 2);
  await Bun.write(
    path,
    text.replace('"script": ""', () => `"script": ${JSON.stringify(script)}`),
  );
  return path;
}

interface Room {
  env: Record<string, string>;
  /** What the peer has stored and published so far. */
  read: () => Promise<{ rows: number; messages: number }>;
}

/** A database, an index of Redis and a quorum queue as Tollgate's, all its own. */
async function makeRoom(
  { servers: { urls } }: BenchContext,
  undo: (() => Promise<unknown>)[],
): Promise<Room> {
  const database = await createTestDatabaseOn(urls.postgres);
  undo.push(() => database.drop());
  const sql = connectPostgres({
    url: database.url,
    poolMax: 1,
    statementTimeoutMs: READY_MS,
    deadlineMs: READY_MS,
    name: "tollgate-bench",
  });
  const schema = await Bun.file(join(FOLDER, "schema.sql")).text();
  await sql.run("make the schema", (run) => run.unsafe(schema).simple());
  undo.push(() => sql.close());
  const redis = await claimRedisIndex(urls.redis);
  undo.push(() => redis.release());
  const queue = `${uniqueQueuePrefix()}inference_requests`;
  const broker = connectAmqp({
    url: urls.amqp,
    heartbeatSeconds: 20,
    name: "tollgate-bench",
    log: silent,
  });
  await broker.whenUp(READY_MS);
  await broker.withChannel(async (channel) => {
    await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
    await channel.bindQueue(queue, "amq.direct", queue);
  });
  undo.push(async () => {
    await broker.withChannel((channel) => channel.deleteQueue(queue));
    await broker.close();
  });
  const dsn = new URL(database.url);
  dsn.searchParams.set("sslmode", "disable");
  return {
    env: {
      DATABASE_URL: dsn.toString(),
      REDIS_URL: redis.url,
      AMQP_URL: urls.amqp,
      PEER_QUEUE: queue,
    },
    read: async () => {
      const [row] = await sql.run(
        "count rows",
        (run) => run<{ n: number }[]>`select count(*)::int as n from requests`,
      );
      const depths = await queueDepths(broker, [queue]);
      return { rows: row?.n ?? 0, messages: depths.get(queue)?.ready ?? 0 };
    },
  };
}

async function measureBento(context: BenchContext, style: Style): Promise<Measured> {
  const program = await findBento(context);
  if (program === undefined) {
    const note = "left out: Bento is built from source, and Go is not installed";
    return { figures: [], loads: [], samples: [], notes: [note], failures: [] };
  }
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const { env, read } = await makeRoom(context, undo);
    const config = await writeConfig(style, context.folder);
    const measured = await measurePeer(context, (port) => ({
      title: `Bento, ${style}`,
      command: [program, "-c", config],
      env: { ...env, PEER_PORT: String(port), HOME: context.folder },
      // It has no health route on this port; any answer will do.
      readyPath: "/",
    }));
    const accepted = measured.loads.reduce((sum, { expected }) => sum + expected, 0);
    const { rows, messages } = await read();
    measured.notes.push(`${accepted} calls were answered 202; ${rows} rows, ${messages} messages`);
    // It may have stored more than it answered in time, never less.
    if (rows < accepted || messages < accepted)
      measured.failures.push(
        `Bento answered ${accepted} calls but stored ${rows} rows and ${messages} messages: it does not do the same job`,
      );
    return measured;
  } finally {
    for (const step of undo.toReversed()) await step();
  }
}

const ABOUT =
  "the original's design on Bento 1.20.0: quota in Redis by script, insert, confirmed persistent publish, 202; no keys, no encryption";

export const bentoDocumented: Scenario = {
  name: "bento-documented",
  about: `${ABOUT}; as its documentation has it`,
  inQuick: false,
  run: (context) => measureBento(context, "documented"),
};

export const bentoTuned: Scenario = {
  name: "bento-tuned",
  about: `${ABOUT}; tuned as well as we could`,
  inQuick: true,
  run: (context) => measureBento(context, "tuned"),
};
