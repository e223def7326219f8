import type { AmqpConnection } from "../../adapters/amqp/connection.ts";
import { connectAmqp } from "../../adapters/amqp/connection.ts";
import type { Database } from "../../adapters/postgres/connect.ts";
import { NoSession } from "../../adapters/postgres/require-session.ts";
import type { Signatures } from "../../adapters/amqp/signatures.ts";
import { topologyOf } from "../../adapters/process/connections.ts";
import { amqpServer, openSignatures } from "../../adapters/process/broker.ts";
import { openPostgres } from "../../adapters/process/postgres.ts";
import type { Topology } from "../../adapters/amqp/topology.ts";
import { redisOptions } from "../../adapters/process/redis.ts";
import { connectRedis, type RedisConnection } from "../../adapters/redis/connection.ts";
import { RedisSetupError } from "../../adapters/redis/greeting.ts";
import { createSignals, type Signals } from "../../adapters/redis/signals.ts";
import type { Config } from "../../core/config/schema.ts";
import { Fault } from "../../core/faults.ts";
import { silentLog } from "../../runtime/log.ts";
import { CommandFailure, describeError, EXIT } from "../../adapters/terminal/failure.ts";
import { statePaths } from "../../adapters/state/paths.ts";
import { withoutPassword } from "../../adapters/state/server-urls.ts";
import type { UpJson } from "../../adapters/state/up-json.ts";
import { type Needs, readSetup } from "./setup.ts";

/** Shown in the servers' lists of connections. */
export const CLIENT_NAME = "tollgate-cli";

/** A person waits. */
const CONNECT_WAIT_MS = 5_000;
/** Looking through a long queue takes one round trip per message. */
const QUEUE_LOOK_MS = 60_000;

/** What a command works with. Connections open when they are asked for and close when the command is over. */
export interface Operation {
  config: Config;
  /** Of the `up` that runs here, if one does. */
  up: UpJson | undefined;
  database: Database;
  redis: () => Promise<RedisConnection>;
  signals: () => Promise<Signals>;
  /** Declares nothing: looking must not change the broker. */
  amqp: () => Promise<AmqpConnection>;
  queues: Topology;
  /** For a command that needs the encryption keys. */
  signatures: () => Signatures;
}

/**
 * Runs a command on the servers of the environment, by default that of this process, or of `up`.
 *
 * @throws {CommandFailure} when there are none, or one does not answer
 */
export async function operate<Result>(
  needs: Needs,
  act: (operation: Operation) => Promise<Result>,
  env: Record<string, string | undefined> = process.env,
): Promise<Result> {
  const { config, up } = await readSetup(env, statePaths(), needs);
  const database = await openPostgres(config, CLIENT_NAME, { log: silentLog });
  const closing: (() => unknown)[] = [() => database.close(0)];

  const redisSettings = once(() => redisOptions(config, CLIENT_NAME, { log: silentLog }));
  const redis = once(async () => {
    const connection = connectRedis(await redisSettings());
    closing.push(connection.close);
    await connection.untilReady(CONNECT_WAIT_MS);
    return connection;
  });
  const signals = once(async () => {
    const made = createSignals(await redis(), await redisSettings());
    closing.push(made.close);
    return made;
  });
  const amqp = once(async () => {
    const connection = connectAmqp({
      ...(await amqpServer(config, { log: silentLog })),
      heartbeatSeconds: config.amqp.heartbeat_seconds,
      name: CLIENT_NAME,
      log: silentLog,
      operationTimeoutMs: QUEUE_LOOK_MS,
    });
    closing.push(() => connection.close());
    await connection.whenUp(CONNECT_WAIT_MS);
    return connection;
  });

  try {
    const signatures = () => openSignatures(() => config);
    const queues = topologyOf(config);
    return await act({ config, up, database, redis, signals, amqp, queues, signatures });
  } catch (error) {
    throw explain(error, config);
  } finally {
    await Promise.all(closing.map((close) => close()));
  }
}

function once<Result>(make: () => Promise<Result>): () => Promise<Result> {
  let made: Promise<Result> | undefined;
  return () => (made ??= make());
}

/** A server that does not answer, with its address and what to do about it; anything else as it is. */
function explain(error: unknown, { postgres, redis, amqp }: Config): unknown {
  if (error instanceof RedisSetupError || error instanceof NoSession)
    return new CommandFailure(error.message, { exitCode: EXIT.usage, cause: error });
  if (!(error instanceof Fault)) return error;
  const why = describeError(error.cause ?? error);
  const tell = (server: string, place: string, variable: string): CommandFailure =>
    new CommandFailure(
      `${server} at ${place} does not answer (${why}): ` +
        `does it run (./tollgate ps), and is ${variable} right?`,
      { exitCode: EXIT.unreachable, cause: error },
    );
  if (error.code === "QUOTA_UNAVAILABLE") return tell("Redis", ...placeOf(redis));
  if (error.code === "BROKER_UNAVAILABLE")
    return tell("RabbitMQ", withoutPassword(amqp.url), "AMQP_URL");
  if (error.code !== "STORE_UNAVAILABLE") return error;
  if (!isMissingSchema(error.cause))
    return tell("PostgreSQL", withoutPassword(postgres.url), "DATABASE_URL");
  return new CommandFailure(
    `the database ${withoutPassword(postgres.url)} lacks our schema (${why}): run ./tollgate migrate`,
    { cause: error },
  );
}

/** Where Redis is, and the setting that says so. */
function placeOf({ url, sentinels, cluster }: Config["redis"]): [place: string, setting: string] {
  if (sentinels !== undefined) return [sentinels.nodes.join(", "), "redis.sentinels"];
  if (cluster !== undefined) return [cluster.nodes.join(", "), "redis.cluster"];
  return [withoutPassword(url), "REDIS_URL"];
}

const MISSING_SCHEMA_CODES = ["42P01", "42703", "42883"];

/** SQLSTATE: undefined table, column or function. */
function isMissingSchema(cause: unknown): boolean {
  return (
    cause instanceof Error &&
    "code" in cause &&
    typeof cause.code === "string" &&
    MISSING_SCHEMA_CODES.includes(cause.code)
  );
}
