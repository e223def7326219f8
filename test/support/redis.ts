import { silentLog } from "../../runtime/log.ts";
import { redisUrl } from "./servers.ts";
import { startTcpProxy } from "./tcp-proxy.ts";
import { connectRedis, type RedisConnection } from "../../adapters/redis/connection.ts";

/** A logical database that one test file has to itself, and may flush. */
export function ownDatabaseUrl(): string {
  const url = new URL(redisUrl());
  url.pathname = "/5";
  return url.toString();
}

export async function connectForTest(
  url = redisUrl(),
  commandTimeoutMs = 2_000,
): Promise<RedisConnection> {
  const redis = connectRedis({ url, commandTimeoutMs, name: "test", log: silentLog });
  await redis.untilReady(5_000);
  return redis;
}

/** The same connection as if to another process of the server: its run_id differs, what it stores stays. */
export function asInstance(
  redis: RedisConnection,
  instance: () => string | undefined,
): RedisConnection {
  const server = (key?: string) => {
    const found = redis.server(key);
    return { ...found, instance: instance() ?? found.instance };
  };
  return { ...redis, server, run: (commands, key) => redis.run(() => commands(server(key)), key) };
}

export interface ProxiedRedis {
  redis: RedisConnection;
  /** Cuts the connection and keeps the server away until told otherwise; resolves when the client knows. */
  setAway: (isAway: boolean) => Promise<void>;
  stop: () => Promise<void>;
}

/** A connection whose server can go away. */
export async function connectThroughProxy(): Promise<ProxiedRedis> {
  const proxy = await startTcpProxy(redisUrl());
  const redis = await connectForTest(proxy.url);
  return {
    redis,
    setAway: async (isAway) => {
      if (!isAway) {
        proxy.heal();
        await redis.untilReady(5_000);
        return;
      }
      const { client } = redis.server();
      const closed = new Promise((resolve) => client.once("close", resolve));
      proxy.refuse();
      await closed;
    },
    stop: async () => {
      redis.close();
      await proxy.stop();
    },
  };
}
