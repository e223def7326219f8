import { type AmqpConnection, connectAmqp } from "../../adapters/amqp/connection.ts";
import { browse, type BrowsedMessage, queueDepths } from "../../adapters/amqp/inspect.ts";
import type { Topology } from "../../adapters/amqp/topology.ts";
import { countRequests } from "../../adapters/postgres/audit.ts";
import { connectPostgres, type Database } from "../../adapters/postgres/connect.ts";
import { after } from "../../adapters/process/timers.ts";
import { createAuditPorts } from "../../adapters/quota/audit-ports.ts";
import { createLiveQuota } from "../../adapters/quota/live-quota.ts";
import { openRedis } from "../../adapters/process/redis.ts";
import type { RedisConnection } from "../../adapters/redis/connection.ts";
import { createHoldBooks } from "../../adapters/redis/holds.ts";
import type { QuotaStore } from "../../adapters/redis/quota-store.ts";
import type { ServerUrls } from "../../adapters/state/server-urls.ts";
import { type AuditReport, runAudit } from "../../core/audit/run-audit.ts";
import type { Config } from "../../core/config/schema.ts";
import { pause } from "../../runtime/schedule.ts";
import { silentLog } from "../../runtime/log.ts";
import type { Hold } from "../../core/quota/quota.ts";
import { eventually } from "./eventually.ts";

/** Everything a stack leaves behind in its servers, read past its processes. */
export interface Books {
  database: Database;
  redis: RedisConnection;
  broker: AmqpConnection;
  quota: QuotaStore;
  queues: Topology;
  /** The product's own audit, all of it. */
  audit: () => Promise<AuditReport>;
  holds: () => Promise<Hold[]>;
  /** Messages that no consumer holds, by the queue's name without the prefix. */
  depths: () => Promise<Record<string, number>>;
  /** Messages of a queue as they lie there; they stay. */
  messages: (queue: string, limit?: number) => Promise<BrowsedMessage[]>;
  /** Waits until no request is open, nothing is held and nothing waits in a queue but dead letters. */
  untilQuiet: (withinMs?: number) => Promise<void>;
  close: () => Promise<void>;
}

const AUDIT_OPTIONS = { rereadAfterMs: 300 };
const QUIET_LIMIT_MS = 40_000;
/** A test that freezes a server asks again; a single answer need not wait for it. */
const DEADLINE_MS = 5_000;

/** `redisConfig` is how the processes find Redis; the books go to the URL above, whatever those use. */
export async function openBooks(
  urls: ServerUrls,
  redisConfig: Config["redis"],
  queues: Topology,
): Promise<Books> {
  const name = "tollgate-books";
  const database = connectPostgres({
    url: urls.postgres,
    poolMax: 2,
    statementTimeoutMs: 60_000,
    deadlineMs: 70_000,
    name,
  });
  const redis = await openRedis(
    { redis: { ...redisConfig, url: urls.redis, command_timeout_ms: DEADLINE_MS } },
    name,
    { log: silentLog },
  );
  const broker = connectAmqp({ url: urls.amqp, heartbeatSeconds: 10, name, log: silentLog });
  const prefix = queues.requests.name.slice(0, -"inference_requests".length);
  await Promise.all([redis.untilReady(DEADLINE_MS), broker.whenUp(DEADLINE_MS)]);
  const holdBooks = createHoldBooks(redis);
  // The tiers matter to rebuilds only, and the books only read.
  const quota = createLiveQuota(redis, database, () => ({ tiers: {}, default_tier: "unlimited" }));

  const auditPorts = {
    ...createAuditPorts(database, redis, quota),
    pause: (ms: number, signal: AbortSignal) => pause(after, ms, signal),
  };

  async function holds(): Promise<Hold[]> {
    const found: Hold[] = [];
    for await (const page of holdBooks.scanHolds()) found.push(...page);
    return found;
  }

  async function depths(): Promise<Record<string, number>> {
    const names = queues.queues.map((queue) => queue.name);
    const found = await queueDepths(broker, names);
    return Object.fromEntries(
      [...found].map(([queue, depth]) => [queue.slice(prefix.length), depth?.ready ?? 0]),
    );
  }

  async function unrest(): Promise<string | undefined> {
    const { queued } = await countRequests(database);
    if (queued > 0) return `${queued} requests are open`;
    const waiting = Object.entries(await depths()).filter(
      ([queue, ready]) => ready > 0 && !queue.endsWith(".dead"),
    );
    if (waiting.length > 0) return `messages wait: ${JSON.stringify(waiting)}`;
    const held = await holds();
    return held.length > 0 ? `${held.length} holds are open` : undefined;
  }

  return {
    database,
    redis,
    broker,
    quota: quota.store,
    queues,
    audit: () => runAudit(auditPorts, AUDIT_OPTIONS),
    holds,
    depths,
    messages: (queue, limit = 1_000) => browse(broker, `${prefix}${queue}`, { limit }),
    untilQuiet: async (withinMs = QUIET_LIMIT_MS) => {
      let reason: string | undefined;
      await eventually("the stack is quiet", withinMs, async () => {
        reason = await unrest();
        return reason === undefined ? true : undefined;
      }).catch((error: unknown) => {
        throw new Error(`not quiet within ${withinMs} ms: ${reason}`, { cause: error });
      });
    },
    close: async () => {
      redis.close();
      await Promise.all([broker.close(), database.close(1_000)]);
    },
  };
}
