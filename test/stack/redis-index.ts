import { Redis } from "ioredis";

import {
  identifyProcess,
  isRunning,
  type ProcessIdentity,
} from "../../local/processes/process-identity.ts";

/** One of Redis's numbered databases that nobody else uses. */
export interface RedisIndex {
  url: string;
  /** Empties it and gives it back. */
  release: () => Promise<void>;
}

/** Redis has 16 unless told otherwise; 0 is the one that everybody uses. */
const INDEXES = Array.from({ length: 15 }, (_, index) => index + 1);
const CLAIM_KEY = "test:claim";

/**
 * Claims a database of a Redis server. A stack needs its own, because a collector frees every hold that it finds no request for.
 *
 * @throws when none is free
 */
export async function claimRedisIndex(serverUrl: string): Promise<RedisIndex> {
  for (const index of INDEXES) {
    const url = new URL(serverUrl);
    url.pathname = `/${index}`;
    const redis = new Redis(url.toString(), { maxRetriesPerRequest: 1 });
    redis.on("error", () => {});
    try {
      await clearAbandoned(redis);
      if ((await redis.dbsize()) > 0) continue;
      const claim = JSON.stringify(identifyProcess(process.pid));
      if ((await redis.set(CLAIM_KEY, claim, "NX")) !== "OK") continue;
    } finally {
      redis.disconnect();
    }
    return { url: url.toString(), release: () => flush(url.toString()) };
  }
  throw new Error("no empty database is left on the Redis server of the tests");
}

/** Empties what a run that was killed has left behind. */
async function clearAbandoned(redis: Redis): Promise<void> {
  const claim = await redis.get(CLAIM_KEY);
  if (claim !== null && !isRunning(JSON.parse(claim) as ProcessIdentity)) await redis.flushdb();
}

async function flush(url: string): Promise<void> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  redis.on("error", () => {});
  try {
    await redis.flushdb();
  } finally {
    redis.disconnect();
  }
}
