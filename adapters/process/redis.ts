import { readRedisUrl } from "../../core/config/redis-url.ts";
import type { Config } from "../../core/config/schema.ts";
import { silentLog } from "../../runtime/log.ts";
import type { MetricsRegistry } from "../metrics/registry.ts";
import { watchDurability } from "../redis/durability.ts";
import { connectRedis, type RedisConnection } from "../redis/connection.ts";
import { RedisSetupError } from "../redis/greeting.ts";
import type { RedisOptions, SentinelOptions } from "../redis/options.ts";
import { openTlsFiles, type TlsContext } from "../tls/tls-files.ts";

type RedisConfig = Config["redis"];

const PING_KEY = "tollgate:ping";

/** What every client of Redis is opened with. @throws {Error} naming a file that is no certificate */
export async function redisOptions(
  { redis }: Pick<Config, "redis">,
  name: string,
  context: TlsContext,
): Promise<RedisOptions> {
  const { url, command_timeout_ms: commandTimeoutMs, sentinels, cluster } = redis;
  const files = { ...redis.tls, ...readRedisUrl(url).tls };
  const tls =
    Object.keys(files).length === 0
      ? undefined
      : await openTlsFiles(files, { ...context, name: "redis" });
  return {
    url,
    commandTimeoutMs,
    name,
    log: context.log,
    ...(tls && { tls }),
    ...(sentinels && { sentinels: await sentinelOptions(redis, sentinels, tls, context) }),
    ...(cluster && { cluster }),
  };
}

async function sentinelOptions(
  { url }: RedisConfig,
  { nodes, name, username, password, plain, tls: files }: NonNullable<RedisConfig["sentinels"]>,
  ofData: RedisOptions["tls"],
  context: TlsContext,
): Promise<SentinelOptions> {
  const own = files && (await openTlsFiles(files, { ...context, name: "redis sentinels" }));
  const tls = own ?? ofData;
  return {
    nodes,
    name,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    isEncrypted: own !== undefined || (url.startsWith("rediss://") && !plain),
    ...(tls && { tls }),
  };
}

export async function openRedis(
  config: Pick<Config, "redis">,
  name: string,
  context: TlsContext,
): Promise<RedisConnection> {
  return connectRedis(await redisOptions(config, name, context));
}

/** The connection of a role, which shows whether its servers may forget what they were told. */
export function openRoleRedis(
  settings: RedisOptions,
  registry: Pick<MetricsRegistry, "metrics" | "onScrape">,
): RedisConnection {
  const redis = connectRedis(settings);
  const { check } = watchDurability(redis, registry.metrics, settings.log);
  // Not waited for: no scrape stands still because Redis does.
  registry.onScrape(() => void check());
  return redis;
}

/**
 * Writes to Redis, as it is configured.
 *
 * @throws {RedisSetupError} when it is not what the configuration says
 * @throws {Fault} QUOTA_UNAVAILABLE when it does not answer within the limit; its cause says why
 */
export async function tryRedis({ redis }: Pick<Config, "redis">, limitMs: number): Promise<void> {
  const settings = { redis: { ...redis, command_timeout_ms: limitMs } };
  const connection = await openRedis(settings, "tollgate-ping", { log: silentLog });
  try {
    await connection.untilReady(limitMs);
    await connection.run(({ client }) => client.set(PING_KEY, "1", "PX", limitMs), PING_KEY);
  } finally {
    connection.close();
  }
}

/** Long enough for a server that is there. */
const LOOK_MS = 2_000;

/**
 * For who can begin without Redis, but not with one that is not what the configuration says.
 *
 * @throws {RedisSetupError}
 */
export async function checkRedisSetup(redis: RedisConnection): Promise<void> {
  try {
    await redis.untilReady(LOOK_MS);
  } catch (error) {
    if (error instanceof RedisSetupError) throw error;
  }
}
