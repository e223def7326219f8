import type { AmqpConnection } from "../adapters/amqp/connection.ts";
import { createConsumer } from "../adapters/amqp/consumer.ts";
import type { Delivery } from "../adapters/amqp/delivery.ts";
import { queueDepths } from "../adapters/amqp/inspect.ts";
import {
  decodeMessage,
  encodeDeadRequest,
  encodeRequest,
  encodeUnchanged,
  type IncomingMessage,
} from "../adapters/amqp/messages.ts";
import { createPublisher, type Publisher } from "../adapters/amqp/publisher.ts";
import type { QueueSpec, Topology } from "../adapters/amqp/topology.ts";
import type { Database } from "../adapters/postgres/connect.ts";
import { isDataFault } from "../adapters/postgres/errors.ts";
import { finishRequests } from "../adapters/postgres/finish-requests.ts";
import { deleteIdempotencyKeysBefore } from "../adapters/postgres/insert-requests.ts";
import { createKeeperLock } from "../adapters/postgres/keeper-lock.ts";
import { overdueRequests, queuedBefore } from "../adapters/postgres/open-requests.ts";
import {
  dropPartitionsBefore,
  ensurePartitions,
  PARTITION_DAYS_AHEAD,
} from "../adapters/postgres/partitions.ts";
import {
  deletePublishersBefore,
  noteRelayed,
  outboxDepth,
  outboxOfDeadPublishers,
  publisherDone,
} from "../adapters/postgres/publishers.ts";
import {
  answers,
  openBroker,
  openPostgres,
  openRedis,
  redisOptions,
  START_WAIT_MS,
  topologyOf,
} from "../adapters/process/connections.ts";
import { type RoleContext, runRole, type RunningRole } from "../adapters/process/run-role.ts";
import { after } from "../adapters/process/timers.ts";
import { createAuditPorts } from "../adapters/quota/audit-ports.ts";
import { createLiveQuota, type LiveQuota } from "../adapters/quota/live-quota.ts";
import { createAppliedTiers } from "../adapters/redis/applied-tiers.ts";
import type { RedisConnection } from "../adapters/redis/connection.ts";
import { createHoldBooks } from "../adapters/redis/holds.ts";
import { createRequestHints } from "../adapters/redis/request-hints.ts";
import { createSignals } from "../adapters/redis/signals.ts";
import { canonicalJson } from "../core/canonical-json.ts";
import type { Config } from "../core/config/schema.ts";
import { createCollector } from "./results/collector.ts";
import { createKeeper } from "./keeper/keeper.ts";
import type {
  DecodedDelivery,
  EndingPorts,
  KeeperPorts,
  LimitsPorts,
  Process,
  QueueDepth,
  RelayPorts,
  ResultDelivery,
  RetentionPorts,
} from "./ports.ts";
import { createWatchedQueues, type WatchedQueue } from "./keeper/watched-queues.ts";

const PUBLISH_CHANNELS = 2;
const PUBLISH_MESSAGES_MAX = 200;
const PUBLISH_BYTES_MAX = 16 * 1024 * 1024;
/** A keeper silent for this long is replaced. */
const KEEPER_SILENT_MS = 5_000;
const KEEPER_DEADLINE_MS = 2_000;

function decode(message: IncomingMessage): DecodedDelivery {
  const decoded = decodeMessage(message);
  if (!decoded.ok) {
    const { requestId, reason, isNewer } = decoded;
    if (isNewer) return { kind: "newer", reason };
    const what = message.type === "request" ? "request" : "result";
    return { kind: "unreadable", what, reason, ...(requestId === undefined ? {} : { requestId }) };
  }
  return decoded.kind === "result"
    ? { kind: "result", result: decoded.result }
    : { kind: "poisoned-request", request: decoded.request };
}

const resultDelivery = (
  delivery: Delivery,
  { results }: Topology,
  publisher: Publisher,
): ResultDelivery => ({
  ...delivery,
  decoded: decode(delivery),
  publishUnchanged: () => publisher.publish(results.name, encodeUnchanged(delivery)),
});

const outboxPorts = (
  database: Database,
): Pick<RelayPorts, "outboxOfDeadPublishers" | "noteRelayed" | "publisherDone"> => ({
  outboxOfDeadPublishers: (silentMs, limit) => outboxOfDeadPublishers(database, silentMs, limit),
  noteRelayed: (publisherId, throughId, silentMs) =>
    noteRelayed(database, publisherId, throughId, silentMs),
  publisherDone: (publisherId, silentMs) => publisherDone(database, publisherId, silentMs),
});

const retentionPorts = (database: Database): RetentionPorts => ({
  ensurePartitions: async () => void (await ensurePartitions(database, PARTITION_DAYS_AHEAD)),
  dropPartitionsBefore: (createdBeforeMs) => dropPartitionsBefore(database, createdBeforeMs),
  deleteIdempotencyKeysBefore: (createdBeforeMs, limit) =>
    deleteIdempotencyKeysBefore(database, createdBeforeMs, limit),
  deletePublishersBefore: (seenBeforeMs) => deletePublishersBefore(database, seenBeforeMs),
});

/** The queues by what they are for. */
function watchedOf({ requests, results, retries, requestsDead, resultsDead }: Topology) {
  const watch =
    (kind: QueueDepth["kind"], delayMs: number | null) =>
    ({ name }: QueueSpec): WatchedQueue => ({ queue: name, kind, delayMs });
  return [
    ...[requests, results].map(watch("path", null)),
    ...retries.map(({ delayMs, queue }) => watch("path", delayMs)(queue)),
    ...[requestsDead, resultsDead].map(watch("dead", null)),
  ];
}

/** The delay queues are those of the configuration now, and of earlier ones; all else about queues is that of the start. */
function depthsOfWatched(
  broker: AmqpConnection,
  { amqp }: Config,
  config: () => Config,
): KeeperPorts["queueDepths"] {
  const watched = createWatchedQueues({ now: Date.now });
  return async () => {
    const queues = watched.update(watchedOf(topologyOf({ amqp, retry: config().retry })));
    const depths = await queueDepths(
      broker,
      queues.map(({ queue }) => queue),
    );
    return queues.map(({ queue, kind }) => ({ queue, kind, ready: depths.get(queue)?.ready ?? 0 }));
  };
}

/** From a worker's mark to the confirm of its result, when the broker answers. */
function longestAttemptMs({ models, amqp }: Config): number {
  const timeouts = Object.values(models).map((model) => model.timeout_ms);
  return Math.max(...timeouts) + 2 * amqp.confirm_timeout_ms;
}

/** Short, and equal for equal tiers. */
function tiersText({ tiers, default_tier }: Config): string {
  return new Bun.CryptoHasher("sha256")
    .update(canonicalJson({ tiers, default_tier }))
    .digest("hex");
}

function limitsPorts(
  redis: RedisConnection,
  { store }: LiveQuota,
  config: () => Config,
): Omit<LimitsPorts, "userIds"> {
  const applied = createAppliedTiers(redis);
  return {
    tiers: () => tiersText(config()),
    appliedTiers: applied.read,
    noteAppliedTiers: applied.note,
    forgetUsers: async (userIds) => void (await Promise.all(userIds.map(store.forget))),
  };
}

async function start({ config, log, registry, reach }: RoleContext): Promise<RunningRole> {
  const settings = config.current();
  const name = `tollgate-collector-${process.pid}`;

  const database = openPostgres(settings, name);
  const redis = openRedis(settings, name, log);
  const signals = createSignals(redis, redisOptions(settings, name, log));
  const queues = topologyOf(settings);
  const consuming = openBroker(config.current, `${name}-consume`, log);
  const publishing = openBroker(config.current, `${name}-publish`, log);
  const publisher = createPublisher(publishing, {
    channels: PUBLISH_CHANNELS,
    messagesMax: PUBLISH_MESSAGES_MAX,
    bytesMax: PUBLISH_BYTES_MAX,
    confirmTimeoutMs: settings.amqp.confirm_timeout_ms,
  });
  await Promise.all([
    database.ping(),
    redis.untilReady(START_WAIT_MS),
    consuming.whenUp(START_WAIT_MS),
    publishing.whenUp(START_WAIT_MS),
  ]);

  const quota = createLiveQuota(redis, database, config.current);
  const hints = createRequestHints(redis);
  const books = createHoldBooks(redis);
  const ourProcess: Process = {
    now: Date.now,
    schedule: after,
    log,
    metrics: registry.metrics,
    reach,
  };
  const ending: EndingPorts = {
    finishRequests: (finishes) => finishRequests(database, finishes),
    isDataFault,
    settle: quota.store.settle,
    announceFinished: signals.announceFinished,
  };

  const collector = createCollector(
    {
      ...ourProcess,
      ...ending,
      consumeResults: async (onDelivery) =>
        createConsumer(consuming, {
          queue: queues.results.name,
          prefetch: settings.collector.prefetch,
          onDelivery: (delivery) => onDelivery(resultDelivery(delivery, queues, publisher)),
        }),
      publishDeadRequest: (request, error) =>
        publisher.publish(queues.requestsDead.name, encodeDeadRequest(request, error)),
      random: Math.random,
    },
    settings.collector,
  );

  const keeperPorts: KeeperPorts = {
    ...ourProcess,
    ...ending,
    ...createAuditPorts(database, redis, quota),
    ...retentionPorts(database),
    lock: createKeeperLock({
      url: settings.postgres.url,
      name: `${name}-keeper`,
      silentMs: KEEPER_SILENT_MS,
      deadlineMs: KEEPER_DEADLINE_MS,
      onLost: () => log.warn({}, "no longer the keeper: the lock was lost"),
    }),
    ...outboxPorts(database),
    holdFates: books.holdFates,
    publishRequest: (request) => publisher.publish(queues.requests.name, encodeRequest(request)),
    queueDepths: depthsOfWatched(publishing, settings, config.current),
    queuedBefore: (createdBeforeMs, afterId, limit) =>
      queuedBefore(database, createdBeforeMs, afterId, limit),
    attemptMarks: async (requests) => {
      const attemptMaxMs = longestAttemptMs(config.current());
      const [started, attemptsMade] = await Promise.all([
        hints.readStarted(requests),
        hints.readAttemptsMade(requests),
      ]);
      return started.map((hint, index) => {
        if (hint === undefined) return attemptsMade[index] === 0 ? "none" : "between";
        return Date.now() - hint.startedAtMs > attemptMaxMs ? "overdue" : "under_way";
      });
    },
    delayedUntil: hints.readDelayedUntil,
    scanHolds: books.scanHolds,
    ...limitsPorts(redis, quota, config.current),
    overdueRequests: (afterId, limit) => overdueRequests(database, afterId, limit),
    outboxDepth: () => outboxDepth(database),
  };
  const keeper = createKeeper(keeperPorts, settings.keeper);
  await collector.start();
  keeper.start();

  return {
    readiness: async () => ({
      postgres: await answers(database.ping),
      redis: redis.isReady(),
      broker: consuming.state() !== "down",
    }),
    graceMs: settings.collector.grace_ms,
    stop: async () => {
      await Promise.all([collector.drain(), keeper.stop()]);
      await publisher.close();
      await Promise.all([consuming.close(), publishing.close()]);
      signals.close();
      redis.close();
      await database.close();
    },
  };
}

await runRole("collector", process.env, start);
