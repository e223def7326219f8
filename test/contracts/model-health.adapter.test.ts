import { createModelHealthStore } from "../../adapters/redis/model-health.ts";
import { connectThroughProxy } from "../support/redis.ts";
import { describeModelHealthContract } from "./model-health.ts";

describeModelHealthContract("Redis", async () => {
  const { redis, setAway, stop } = await connectThroughProxy();
  const createStore = () => createModelHealthStore(redis);
  return { stores: [createStore(), createStore(), createStore()], setAway, stop };
});
