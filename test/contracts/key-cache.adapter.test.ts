import { createKeyHash } from "../../adapters/crypto/key-hash.ts";
import { createKeyCache } from "../../adapters/redis/key-cache.ts";
import { KeyRecord } from "../../core/key-record.ts";
import { connectThroughProxy } from "../support/redis.ts";
import { describeKeyCacheContract } from "./key-cache.ts";

const options = { hash: createKeyHash("pepper"), now: Date.now, onForged: () => {} };

describeKeyCacheContract("Redis", async () => {
  const { redis, setAway, stop } = await connectThroughProxy();
  return { cache: createKeyCache(redis, KeyRecord, options), setAway, stop };
});
