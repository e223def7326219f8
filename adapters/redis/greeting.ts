import type { Redis } from "ioredis";

import type { RedisOptions } from "./options.ts";
import { replyErrorCode } from "./replies.ts";

/** Redis runs in another way than the configuration says; waiting does not help. */
export class RedisSetupError extends Error {
  override readonly name = "RedisSetupError";
}

export interface Greeting {
  /**
   * Names a time in which one server was the master: another one means that what was in memory may be gone or
   * old. It is the `run_id` of the process, and where a replica became the master also the id that its
   * replication got by that: a master that was replaced and comes back is the same process, but lacks what
   * was written meanwhile or has lost what it had acknowledged before.
   */
  instance: string;
  isMaster: boolean;
  /** `redis_mode`: standalone, cluster, sentinel. */
  mode: string;
}

/** What a replica that was never promoted has in the place of its former replication id. */
const NO_FORMER_ID = /^0*$/;

/** https://redis.io/docs/latest/commands/info/ */
export async function readGreeting(client: Redis): Promise<Greeting> {
  const [server, replication] = await Promise.all([
    client.info("server"),
    client.info("replication"),
  ]);
  const valueOf = (name: string): string =>
    new RegExp(`^${name}:(\\S*)`, "m").exec(`${server}\n${replication}`)?.[1] ?? "";
  const runId = valueOf("run_id");
  if (runId === "") throw new Error("INFO server names no run_id");
  const isFirstTime = NO_FORMER_ID.test(valueOf("master_replid2"));
  return {
    instance: isFirstTime ? runId : `${runId}:${valueOf("master_replid")}`,
    isMaster: valueOf("role") !== "slave",
    mode: valueOf("redis_mode"),
  };
}

/**
 * Makes sure that a connection has the database that the URL names: the library goes on in database 0 where
 * the server refuses it.
 *
 * @throws {RedisSetupError} when the server has no such database, or the user may not choose one
 */
export async function requireDatabase(client: Redis): Promise<void> {
  const { db = 0 } = client.options;
  if (db === 0) return;
  try {
    await client.select(db);
  } catch (error) {
    if (replyErrorCode(error) === undefined) throw error;
    throw new RedisSetupError(`redis.url names the database ${db}: ${(error as Error).message}`);
  }
}

/** What is wrong with the configuration, by what the server says of itself; undefined: nothing. */
export function setupProblem({ mode }: Greeting, options: RedisOptions): string | undefined {
  if (mode === "sentinel")
    return "redis.url leads to a Sentinel: list the Sentinels in redis.sentinels.nodes";
  if (mode === "cluster" && options.cluster === undefined)
    return "redis.url leads to a node of a Redis Cluster: list some of its nodes in redis.cluster.nodes";
  if (mode === "standalone" && options.cluster !== undefined)
    return "redis.cluster.nodes leads to a Redis that is no cluster: remove redis.cluster, and set redis.url";
  return undefined;
}
