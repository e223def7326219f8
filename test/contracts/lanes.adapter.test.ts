import { LANES_KEY, WORKERS_KEY } from "../../adapters/redis/keys.ts";
import { createLanes } from "../../adapters/redis/lanes.ts";
import { connectThroughProxy } from "../support/redis.ts";
import { describeLanesContract } from "./lanes.ts";

describeLanesContract("Redis", async () => {
  const { redis, setAway, stop } = await connectThroughProxy();
  const lanes = createLanes(redis);
  return {
    lanes,
    forgetView: async () => void (await redis.run(({ client }) => client.del(LANES_KEY))),
    silence: async (workerId, ms) => {
      const note = (await lanes.readWorkers()).find((known) => known.workerId === workerId);
      if (note === undefined) throw new Error(`${workerId} has given no sign`);
      const text = JSON.stringify({ ...note, atMs: note.atMs - ms });
      await redis.run(({ client }) => client.hset(WORKERS_KEY, workerId, text));
    },
    setAway,
    stop,
  };
});
