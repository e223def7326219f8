import { keepTiers } from "../adapters/config/keep-tiers.ts";
import { createDepthReader } from "../adapters/amqp/depth-reader.ts";
import { noteTiers } from "../adapters/postgres/tiers.ts";
import {
  createAnswers,
  followQueues,
  openBroker,
  START_LOOK_MS,
} from "../adapters/process/connections.ts";
import { amqpServer, openSignatures } from "../adapters/process/broker.ts";
import { openDatabase, postgresServers } from "../adapters/process/postgres.ts";
import { type RoleContext, runRole, type RunningRole } from "../adapters/process/run-role.ts";
import { askForSchema } from "../adapters/process/schema.ts";
import { after } from "../adapters/process/timers.ts";
import { createAuditPorts } from "../adapters/quota/audit-ports.ts";
import { createLiveQuota } from "../adapters/quota/live-quota.ts";
import { openRoleRedis, redisOptions } from "../adapters/process/redis.ts";
import { createSignals } from "../adapters/redis/signals.ts";
import { createKeeper } from "./keeper/keeper.ts";
import { createModelGauges } from "./model-gauges.ts";
import type { Process } from "./ports.ts";
import { createCollector } from "./results/collector.ts";
import { messagePorts, openPublisher } from "./wiring/messages.ts";
import { createQueueDepths } from "./wiring/queue-depths.ts";
import { openKeeperLock } from "./wiring/keeper-lock.ts";
import { databasePorts, finishPorts, redisPorts } from "./wiring/stores.ts";

async function start(context: RoleContext): Promise<RunningRole> {
  const { log, registry, reach } = context;
  const config = keepTiers(context.config);
  const settings = config.current();
  const { prefetch, grace_ms: graceMs } = settings.collector;
  const name = `tollgate-collector-${process.pid}`;

  const servers = await postgresServers(settings, { log, metrics: registry.metrics });
  const database = openDatabase(settings, servers.pooled, name, { log });
  const redisSettings = await redisOptions(settings, name, { log, metrics: registry.metrics });
  const redis = openRoleRedis(redisSettings, registry);
  const signals = createSignals(redis, redisSettings);
  const rabbitmq = await amqpServer(settings, { log, metrics: registry.metrics });
  const consuming = openBroker(config.current, rabbitmq, `${name}-consume`, log);
  const publishing = openBroker(config.current, rabbitmq, `${name}-publish`, log);
  const signatures = openSignatures(config.current);
  const publisher = openPublisher(publishing, settings, signatures);
  const queues = followQueues(config, publishing, log);
  await context.untilThere({
    postgres: database.ping,
    schema: askForSchema(database, config),
    redis: () => redis.untilReady(START_LOOK_MS),
    broker: () => Promise.all([consuming, publishing].map((one) => one.whenUp(START_LOOK_MS))),
  });

  const quota = createLiveQuota(redis, database, config.current);
  const { metrics } = registry;
  const ourProcess: Process = { now: Date.now, schedule: after, log, metrics, reach };
  const finishing = finishPorts(database, quota, signals);
  const depths = createDepthReader(publishing);
  const broker = { consuming, publishing, publisher, depths, queues };
  const messages = messagePorts({ ...broker, prefetch, signatures, metrics, log });

  const collector = createCollector(
    { ...ourProcess, ...finishing, ...messages, random: Math.random },
    settings.collector,
  );
  const lock = await context.untilDone("postgres", () =>
    openKeeperLock(servers.direct, `${name}-keeper`, log),
  );
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
      storeTiers: () => noteTiers(database, config.current().tiers),
      ...remembered,
      ...messages,
      onParked: signals.onParked,
      queueDepths: createQueueDepths(depths, queues),
      lock,
    },
    config.current,
  );
  await collector.start();
  keeper.start();
  modelGauges.start();

  const postgresAnswers = createAnswers(database.ping);
  return {
    readiness: async () => ({
      postgres: await postgresAnswers(),
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
