import { keepTiers } from "../adapters/config/keep-tiers.ts";
import { createDepthReader } from "../adapters/amqp/depth-reader.ts";
import { createPublisher } from "../adapters/amqp/publisher.ts";
import { isDataFault } from "../adapters/postgres/errors.ts";
import { finishRequests } from "../adapters/postgres/finish-requests.ts";
import { createKeeperLock } from "../adapters/postgres/keeper-lock.ts";
import { noteTiers, readTiers } from "../adapters/postgres/tiers.ts";
import {
  answers,
  followQueues,
  openBroker,
  openPostgres,
  openRedis,
  redisOptions,
  START_WAIT_MS,
} from "../adapters/process/connections.ts";
import { type RoleContext, runRole, type RunningRole } from "../adapters/process/run-role.ts";
import { after } from "../adapters/process/timers.ts";
import { createAuditPorts } from "../adapters/quota/audit-ports.ts";
import { createLiveQuota } from "../adapters/quota/live-quota.ts";
import { createSignals } from "../adapters/redis/signals.ts";
import { createKeeper } from "./keeper/keeper.ts";
import { createModelGauges } from "./model-gauges.ts";
import type { FinishPorts, Process } from "./ports.ts";
import { createCollector } from "./results/collector.ts";
import { messagePorts } from "./wiring/messages.ts";
import { createQueueDepths } from "./wiring/queue-depths.ts";
import { databasePorts, redisPorts } from "./wiring/stores.ts";

const PUBLISH_CHANNELS = 2;
const PUBLISH_MESSAGES_MAX = 200;
const PUBLISH_BYTES_MAX = 16 * 1024 * 1024;
/** A keeper silent for this long is replaced. */
const KEEPER_SILENT_MS = 5_000;
const KEEPER_DEADLINE_MS = 2_000;

async function start(context: RoleContext): Promise<RunningRole> {
  const { log, registry, reach } = context;
  const config = keepTiers(context.config);
  const settings = config.current();
  const { prefetch, grace_ms: graceMs } = settings.collector;
  const name = `tollgate-collector-${process.pid}`;

  const database = openPostgres(settings, name);
  const redis = openRedis(settings, name, log);
  const signals = createSignals(redis, redisOptions(settings, name, log));
  const consuming = openBroker(config.current, `${name}-consume`, log);
  const publishing = openBroker(config.current, `${name}-publish`, log);
  const publisher = createPublisher(publishing, {
    channels: PUBLISH_CHANNELS,
    messagesMax: PUBLISH_MESSAGES_MAX,
    bytesMax: PUBLISH_BYTES_MAX,
    confirmTimeoutMs: settings.amqp.confirm_timeout_ms,
  });
  const queues = followQueues(config, publishing, log);
  await Promise.all([
    database.ping(),
    redis.untilReady(START_WAIT_MS),
    consuming.whenUp(START_WAIT_MS),
    publishing.whenUp(START_WAIT_MS),
  ]);
  config.remember(await readTiers(database));

  const quota = createLiveQuota(redis, database, config.current);
  const { metrics } = registry;
  const ourProcess: Process = { now: Date.now, schedule: after, log, metrics, reach };
  const finishing: FinishPorts = {
    finishRequests: (finishes) => finishRequests(database, finishes),
    isDataFault,
    settle: quota.store.settle,
    announceFinished: signals.announceFinished,
  };
  const depths = createDepthReader(publishing);
  const messages = messagePorts({
    consuming,
    publishing,
    publisher,
    depths,
    queues,
    prefetch,
    log,
  });

  const collector = createCollector(
    { ...ourProcess, ...finishing, ...messages, random: Math.random },
    settings.collector,
  );
  const lock = createKeeperLock({
    url: settings.postgres.url,
    name: `${name}-keeper`,
    silentMs: KEEPER_SILENT_MS,
    deadlineMs: KEEPER_DEADLINE_MS,
    onLost: () => log.warn({}, "no longer the keeper: the lock was lost"),
  });
  const remembered = redisPorts(redis, quota, config.current);
  const modelGauges = createModelGauges({ ...ourProcess, ...remembered }, () =>
    Object.keys(config.current().models),
  );
  const keeper = createKeeper(
    {
      ...ourProcess,
      ...finishing,
      ...createAuditPorts(database, redis, quota),
      ...databasePorts(database),
      ...remembered,
      ...messages,
      storeTiers: () => noteTiers(database, config.current().tiers),
      onParked: signals.onParked,
      queueDepths: createQueueDepths(depths, queues),
      lock,
    },
    config.current,
  );
  await collector.start();
  keeper.start();
  modelGauges.start();

  return {
    readiness: async () => ({
      postgres: await answers(database.ping),
      redis: redis.isReady(),
      broker: consuming.state() !== "down",
    }),
    graceMs,
    stop: async () => {
      modelGauges.stop();
      await Promise.all([collector.drain(), keeper.stop()]);
      await depths.close();
      await publisher.close();
      await Promise.all([consuming.close(), publishing.close()]);
      signals.close();
      redis.close();
      await database.close();
    },
  };
}

await runRole("collector", process.env, start);
