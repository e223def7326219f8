import { createHoldBooks } from "../../adapters/redis/holds.ts";
import { booksKeys } from "../../adapters/redis/keys.ts";
import { createQuotaStore } from "../../adapters/redis/quota-store.ts";
import { createRequestHints } from "../../adapters/redis/request-hints.ts";
import { dayOf } from "../../core/quota/windows.ts";
import { newId } from "../support/quota-samples.ts";
import { asInstance, connectForTest, connectThroughProxy } from "../support/redis.ts";
import { describeQuotaContract } from "./quota.ts";

/** Kinds of what somebody else may have stored under our keys. */
const DAMAGES = ["holds of another type", "a hold out of shape", "a counter that is no number"];

describeQuotaContract("Redis", DAMAGES, async () => {
  let setMs: number | null = null;
  let instance: string | undefined;
  const proxied = await connectThroughProxy();
  const direct = await connectForTest();
  const clockMs = (): number => setMs ?? 0;
  // To the client another run_id is another run of the server.
  const redis = asInstance(proxied.redis, () => instance);
  const other = asInstance(direct, () => instance);
  const { run } = direct;
  return {
    quota: createQuotaStore(redis, { clockMs }),
    other: createQuotaStore(other, { clockMs }),
    holds: createHoldBooks(redis),
    hints: createRequestHints(redis),
    setClock: (atMs) => {
      setMs = atMs;
    },
    restart: () => {
      instance = newId();
    },
    setAway: proxied.setAway,
    ageLoad: async (userId, ms) => {
      const key = booksKeys(userId).loadedAt;
      await run(({ client }) => client.set(key, Date.now() - ms, "KEEPTTL"));
    },
    knownForMs: (userId) => run(({ client }) => client.pttl(booksKeys(userId).marker)),
    damage: async (kind, userId, requestId) => {
      const { holds, dailyTokensUsed } = booksKeys(userId);
      await run(async ({ client }) => {
        if (kind === DAMAGES[0]) await client.multi().del(holds).lpush(holds, "not ours").exec();
        if (kind === DAMAGES[1]) await client.hset(holds, requestId, "not ours");
        if (kind === DAMAGES[2])
          await client.set(dailyTokensUsed + dayOf(Date.now()), "not ours", "EX", 60);
      });
    },
    stop: async () => {
      direct.close();
      await proxied.stop();
    },
  };
});
