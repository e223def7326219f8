import { createKeyCache } from "../../adapters/redis/key-cache.ts";
import { KeyRecord } from "../../core/key-record.ts";
import { connectThroughProxy } from "../support/redis.ts";
import { describeKeyCacheContract } from "./key-cache.ts";

describeKeyCacheContract("Redis", async () => {
  const { redis, setAway, stop } = await connectThroughProxy();
  return { cache: createKeyCache(redis, KeyRecord), setAway, stop };
});
