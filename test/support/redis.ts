import { randomUUIDv7 } from "bun";
import type { QuotaLimits, QuotaTruth } from "../../core/quota/quota.ts";
import { redisUrl } from "./servers.ts";
import { connectRedis, type RedisConnection } from "../../adapters/redis/connection.ts";

export const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

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
  const redis = connectRedis({ url, commandTimeoutMs, name: "test", log: silent });
  await redis.untilReady(5_000);
  return redis;
}

/** The same connection as if to another process of the server: its run_id differs, what it stores stays. */
export function asInstance(redis: RedisConnection, instance: string): RedisConnection {
  const server = () => ({ client: redis.server().client, instance });
  return { ...redis, server, run: (commands) => redis.run(() => commands(server())) };
}

export const newId = (): string => randomUUIDv7();

interface LimitsByName {
  dailyRequests?: number;
  dailyTokens?: number;
  monthlyRequests?: number;
  monthlyTokens?: number;
  concurrent?: number;
}

/** Limits of a user; what is not named is unlimited. */
export function limitsOf(limits: LimitsByName = {}): QuotaLimits {
  return {
    windows: {
      daily: { requests: limits.dailyRequests ?? null, tokens: limits.dailyTokens ?? null },
      monthly: { requests: limits.monthlyRequests ?? null, tokens: limits.monthlyTokens ?? null },
    },
    concurrentRequests: limits.concurrent ?? null,
  };
}

/** A user of whom PostgreSQL knows only the limits. */
export function freshTruth(limits: QuotaLimits): QuotaTruth {
  return { limits, days: [], holds: [] };
}
