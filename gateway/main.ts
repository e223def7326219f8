import { keepTiers } from "../adapters/config/keep-tiers.ts";
import { randomUUID } from "node:crypto";

import { createSealer } from "../adapters/crypto/envelope.ts";
import { createKeyHash } from "../adapters/crypto/key-hash.ts";
import { createIdSource } from "../adapters/ids/id-source.ts";
import { createServerClock } from "../adapters/postgres/server-clock.ts";
import {
  createAnswers,
  followQueues,
  openBroker,
  START_LOOK_MS,
} from "../adapters/process/connections.ts";
import { amqpServer, openSignatures } from "../adapters/process/broker.ts";
import { openPostgres } from "../adapters/process/postgres.ts";
import { type RoleContext, runRole, type RunningRole } from "../adapters/process/run-role.ts";
import { askForSchema } from "../adapters/process/schema.ts";
import { after } from "../adapters/process/timers.ts";
import { createLiveQuota } from "../adapters/quota/live-quota.ts";
import { openRoleRedis, redisOptions } from "../adapters/process/redis.ts";
import { createSignals } from "../adapters/redis/signals.ts";
import { createTokenCounter } from "../adapters/tokens/token-counter.ts";
import { requirePepper } from "../core/config/pepper.ts";
import packageJson from "../package.json" with { type: "json" };
import { createGateway } from "./gateway.ts";
import type { GatewayPorts } from "./ports.ts";
import { openDoor } from "./wiring/door.ts";
import { messagePorts, openPublisher } from "./wiring/messages.ts";
import { databasePorts, redisPorts } from "./wiring/stores.ts";

const wait = (ms: number): Promise<void> => new Promise((resolve) => void after(resolve, ms));

async function start(context: RoleContext): Promise<RunningRole> {
  const { log, registry, reach } = context;
  const config = keepTiers(context.config);
  const settings = config.current();
  const hashKey = createKeyHash(requirePepper(settings));
  const name = `tollgate-gateway-${process.pid}`;

  const database = await openPostgres(settings, name, { log, metrics: registry.metrics });
  const redisSettings = await redisOptions(settings, name, { log, metrics: registry.metrics });
  const redis = openRoleRedis(redisSettings, registry);
  const rabbitmq = await amqpServer(settings, { log, metrics: registry.metrics });
  const amqp = openBroker(config.current, rabbitmq, name, log);
  const queues = followQueues(config, amqp, log);
  const publisher = openPublisher(amqp, settings, openSignatures(config.current));
  const clock = createServerClock(database, log);
  await context.untilThere({
    postgres: clock.check,
    schema: askForSchema(database, config),
    redis: () => redis.untilReady(START_LOOK_MS),
    broker: () => amqp.whenUp(START_LOOK_MS),
  });

  const quota = createLiveQuota(redis, database, config.current);
  const signals = createSignals(redis, redisSettings);
  const sealer = createSealer(settings.secrets.encryption_keys);
  const { metrics } = registry;
  const { now } = clock;

  const ports: GatewayPorts = {
    ...databasePorts(database, randomUUID()),
    ...redisPorts(redis, signals, sealer, { hashKey, now, metrics, log }),
    config: config.current,
    metrics,
    log,
    now,
    schedule: after,
    newId: createIdSource(),
    reach,
    hashKey,
    countTokens: createTokenCounter().count,
    admit: quota.gate.admitOrRebuild,
    readQuota: quota.gate.readOrRebuild,
    settle: quota.store.settle,
    seal: sealer.seal,
    open: sealer.open,
    ...messagePorts(amqp, publisher, queues),
  };
  const postgresAnswers = createAnswers(clock.check);
  const readiness = async () => ({
    postgres: await postgresAnswers(),
    redis: redis.isReady(),
    // A gateway without the broker still accepts, up to the bound of the outbox.
  });
  const gateway = createGateway(ports, { version: packageJson.version, readiness });
  await context.untilDone("postgres", gateway.start);
  registry.onScrape(gateway.observe);
  const { host, port } = settings.gateway;
  const listener = await openDoor(gateway.app, settings, context);
  log.info({ host, port }, "listening");

  return {
    readiness,
    graceMs: settings.gateway.drain_delay_ms + settings.gateway.drain_ms,
    stop: async () => {
      const { drain_delay_ms: delayMs, drain_ms: drainMs } = config.current().gateway;
      gateway.announceDrain();
      await wait(delayMs);
      gateway.beginDrain();
      const untilMs = Date.now() + drainMs;
      const untilShare = (share: number): Promise<void> =>
        wait(Math.max(0, untilMs - (1 - share) * drainMs - Date.now()));
      // A caller who sends a body for ever must not keep the rest from an orderly end.
      await Promise.race([listener.stop(), untilShare(0.5)]);
      // Streams may go on to their end; what is not at its end then is read on at another gateway.
      await Promise.race([gateway.streamsOver(), untilShare(0.8)]);
      await gateway.endDrain(Math.max(0, untilMs - Date.now()));
      await publisher.close();
      await amqp.close();
      signals.close();
      redis.close();
      await database.close();
    },
  };
}

await runRole("gateway", process.env, start);
