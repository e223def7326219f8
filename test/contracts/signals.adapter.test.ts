import { createSignals } from "../../adapters/redis/signals.ts";
import { connectThroughProxy } from "../support/redis.ts";
import { silentLog } from "../../runtime/log.ts";
import { redisUrl } from "../support/servers.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { describeSignalsContract } from "./signals.ts";

describeSignalsContract("Redis", async () => {
  const announcing = await connectThroughProxy();
  const subscribing = await startTcpProxy(redisUrl());
  const options = { url: subscribing.url, commandTimeoutMs: 500, name: "test", log: silentLog };
  const signals = createSignals(announcing.redis, options);
  return {
    signals,
    cutSubscription: subscribing.cut,
    setAway: announcing.setAway,
    stop: async () => {
      signals.close();
      await announcing.stop();
      await subscribing.stop();
    },
  };
});
