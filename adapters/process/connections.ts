import type { Config } from "../../core/config/schema.ts";
import type { Log } from "../../runtime/log.ts";
import { type AmqpConnection, connectAmqp } from "../amqp/connection.ts";
import { declareTopology, type Topology, topology } from "../amqp/topology.ts";
import { connectPostgres, type Database } from "../postgres/connect.ts";
import { connectRedis, type RedisConnection } from "../redis/connection.ts";
import type { RedisOptions } from "../redis/client.ts";

/** How long a start waits for the servers before it gives up; an orchestrator then tries again. */
export const START_WAIT_MS = 30_000;

export function openPostgres({ postgres }: Pick<Config, "postgres">, name: string): Database {
  return connectPostgres({
    url: postgres.url,
    poolMax: postgres.pool_max,
    statementTimeoutMs: postgres.statement_timeout_ms,
    deadlineMs: postgres.deadline_ms,
    name,
  });
}

export const redisOptions = (
  { redis }: Pick<Config, "redis">,
  name: string,
  log: Log,
): RedisOptions => ({
  url: redis.url,
  commandTimeoutMs: redis.command_timeout_ms,
  name,
  log,
});

export function openRedis(config: Pick<Config, "redis">, name: string, log: Log): RedisConnection {
  return connectRedis(redisOptions(config, name, log));
}

/** The queues of a configuration. */
export const topologyOf = ({ amqp, retry }: Pick<Config, "amqp" | "retry">): Topology =>
  topology({ prefix: amqp.queue_prefix, retryDelaysMs: retry.delays_ms });

/**
 * Opens a connection that declares the queues of the configuration each time it is made; a queue that a
 * reload adds in between is declared by whoever uses it first. Consumers and publishers need a connection
 * each: back-pressure stops a whole connection.
 */
export function openBroker(
  config: () => Pick<Config, "amqp" | "retry">,
  name: string,
  log: Log,
): AmqpConnection {
  const { amqp } = config();
  return connectAmqp({
    url: amqp.url,
    heartbeatSeconds: amqp.heartbeat_seconds,
    name,
    log,
    // The rest of `amqp` stays as it was at the start.
    prepare: (withChannel) =>
      declareTopology(withChannel, topologyOf({ amqp, retry: config().retry }).queues),
  });
}

/** Whether a server answers, for readiness. */
export function answers(ping: () => Promise<unknown>): Promise<boolean> {
  return ping().then(
    () => true,
    () => false,
  );
}
