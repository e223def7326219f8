import { Redis } from "ioredis";

/** One of Redis's numbered databases that nobody else uses. */
export interface RedisIndex {
  url: string;
  /** Empties it and gives it back. */
  release: () => Promise<void>;
}

/** Redis has 16 unless told otherwise; 0 is the one that everybody uses. */
const INDEXES = Array.from({ length: 15 }, (_, index) => index + 1);
const CLAIM_KEY = "test:claim";
/** Longer than a stage of tests: the claim of a run that was killed ends by itself. */
const CLAIM_MS = 40 * 60_000;

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
      if ((await redis.dbsize()) > 0) continue;
      if ((await redis.set(CLAIM_KEY, String(process.pid), "PX", CLAIM_MS, "NX")) !== "OK")
        continue;
    } finally {
      redis.disconnect();
    }
    return { url: url.toString(), release: () => flush(url.toString()) };
  }
  throw new Error("no empty database is left on the Redis server of the tests");
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
