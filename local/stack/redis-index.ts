import { connectRedis } from "../../adapters/redis/connection.ts";
import type { RedisServer } from "../../adapters/redis/client.ts";
import { silentLog } from "../../runtime/log.ts";
import { identifyProcess, isRunning, type ProcessIdentity } from "../processes/process-identity.ts";

/** One of Redis's numbered databases that nobody else uses. */
export interface RedisIndex {
  url: string;
  /** Empties it and gives it back. */
  release: () => Promise<void>;
}

/** Redis has 16 unless told otherwise; 0 is the one that everybody uses. */
const INDEXES = Array.from({ length: 15 }, (_, index) => index + 1);
const CLAIM_KEY = "stack:claim";
const ANSWER_LIMIT_MS = 10_000;

/**
 * Claims a database of a Redis server. A stack needs its own, because a collector frees every hold that it
 * finds no request for.
 *
 * @throws when none is free
 */
export async function claimRedisIndex(serverUrl: string): Promise<RedisIndex> {
  for (const index of INDEXES) {
    const url = new URL(serverUrl);
    url.pathname = `/${index}`;
    if (await onDatabase(url.href, claim))
      return { url: url.href, release: () => onDatabase(url.href, empty) };
  }
  throw new Error("no empty database is left on the Redis server of the stack");
}

type Client = RedisServer["client"];

async function onDatabase<Value>(
  url: string,
  act: (client: Client) => Promise<Value>,
): Promise<Value> {
  const redis = connectRedis({
    url,
    commandTimeoutMs: ANSWER_LIMIT_MS,
    name: "tollgate-stack",
    log: silentLog,
  });
  try {
    await redis.untilReady(ANSWER_LIMIT_MS);
    return await redis.run(({ client }) => act(client));
  } finally {
    redis.close();
  }
}

/** False: somebody else uses it. */
async function claim(client: Client): Promise<boolean> {
  await clearAbandoned(client);
  if ((await client.dbsize()) > 0) return false;
  const owner = JSON.stringify(identifyProcess(process.pid));
  return (await client.set(CLAIM_KEY, owner, "NX")) === "OK";
}

/** Empties what a run that was killed has left behind. */
async function clearAbandoned(client: Client): Promise<void> {
  const owner = await client.get(CLAIM_KEY);
  if (owner !== null && !isRunning(JSON.parse(owner) as ProcessIdentity)) await client.flushdb();
}

async function empty(client: Client): Promise<void> {
  await client.flushdb();
}
