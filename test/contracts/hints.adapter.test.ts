import { createRequestHints } from "../../adapters/redis/request-hints.ts";
import { connectThroughProxy } from "../support/redis.ts";
import { describeHintsContract } from "./hints.ts";

describeHintsContract("Redis", async () => {
  const { redis, setAway, stop } = await connectThroughProxy();
  return { hints: createRequestHints(redis), setAway, stop };
});
