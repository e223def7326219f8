import { hostname } from "node:os";

import { randomUUIDv7 } from "bun";

import { followQueues, openBroker, START_LOOK_MS } from "../adapters/process/connections.ts";
import { amqpServer, openSignatures } from "../adapters/process/broker.ts";
import { createDelayQueues } from "../adapters/amqp/delay-queues.ts";
import { createPublisher } from "../adapters/amqp/publisher.ts";
import { createSealer } from "../adapters/crypto/envelope.ts";
import { createInfer } from "../adapters/ml/infer.ts";
import { createCertificates } from "../adapters/tls/certificates.ts";
import { type RoleContext, runRole, type RunningRole } from "../adapters/process/run-role.ts";
import { after } from "../adapters/process/timers.ts";
import { checkRedisSetup, openRoleRedis, redisOptions } from "../adapters/process/redis.ts";
import { createSignals } from "../adapters/redis/signals.ts";
import { createTokenCounter } from "../adapters/tokens/token-counter.ts";
import { hasKey } from "../core/config/missing-keys.ts";
import { createGather } from "../runtime/gather.ts";
import { decodePayload, encodeJson } from "../core/request/payload.ts";
import type { WorkerPorts } from "./ports.ts";
import { messagePorts } from "./wiring/messages.ts";
import { redisPorts } from "./wiring/stores.ts";
import { tellProblems } from "./wiring/tell-problems.ts";
import { createWorker } from "./worker.ts";

const PUBLISH_CHANNELS = 2;
/** With so many a write and a confirm cost little beside them. */
const GATHERED_RESULTS_MAX = 16;
/** Unconfirmed messages at once; what is above waits its turn. */
const PUBLISH_MESSAGES_MAX = 500;
/** Results of finished attempts under way to the broker; far above what a prefetch can produce at once. */
const PUBLISH_BYTES_MAX = 64 * 1024 * 1024;

async function start(context: RoleContext): Promise<RunningRole> {
  const { config, env, log, registry, reach } = context;
  const settings = config.current();
  tellProblems(config, env, log);
  const name = `tollgate-worker-${process.pid}`;

  const redisSettings = await redisOptions(settings, name, { log, metrics: registry.metrics });
  const redis = openRoleRedis(redisSettings, registry);
  const signals = createSignals(redis, redisSettings);
  const rabbitmq = await amqpServer(settings, { log, metrics: registry.metrics });
  const consuming = openBroker(config.current, rabbitmq, `${name}-consume`, log);
  const publishing = openBroker(config.current, rabbitmq, `${name}-publish`, log);
  const signatures = openSignatures(config.current);
  const publisher = createPublisher(publishing, {
    channels: PUBLISH_CHANNELS,
    messagesMax: PUBLISH_MESSAGES_MAX,
    bytesMax: PUBLISH_BYTES_MAX,
    confirmTimeoutMs: settings.amqp.confirm_timeout_ms,
    messageBytesMax: settings.amqp.message_bytes_max,
    signatures,
  });
  const queues = followQueues(config, publishing, log);
  const delays = createDelayQueues(publishing, { prefix: settings.amqp.queue_prefix });
  // Redis is not waited for: without its hints work goes on.
  const broker = () => Promise.all([consuming, publishing].map((one) => one.whenUp(START_LOOK_MS)));
  await Promise.all([context.untilThere({ broker }), checkRedisSetup(redis)]);

  const sealer = createSealer(settings.secrets.encryption_keys);
  const tokens = createTokenCounter();
  const gatherResults = createGather({
    schedule: after,
    now: Date.now,
    waitMs: settings.worker.gather_ms,
    groupMax: GATHERED_RESULTS_MAX,
    isEager: false,
  });

  const ports: WorkerPorts = {
    workerId: `worker-${randomUUIDv7()}`,
    host: hostname(),
    hasKey: (model) => hasKey(model, env),
    ...messagePorts({ consuming, publisher, delays, queues, signatures, gatherResults }),
    ...redisPorts(redis, signals, sealer),
    openPayload: ({ head, payload }) => decodePayload(sealer.open(payload, head, "prompt")),
    sealResult: (head, result) => sealer.seal(encodeJson(result), head, "result"),
    sealErrorDetail: (head, words) => sealer.seal(encodeJson(words), head, "error_detail"),
    infer: createInfer(
      (secret) => env[secret],
      createCertificates({ log, metrics: registry.metrics }),
    ),
    countTokens: tokens.count,
    metrics: registry.metrics,
    log,
    now: Date.now,
    random: Math.random,
    schedule: after,
    reach,
  };
  const worker = createWorker({ config: config.current, ports });
  registry.onScrape(worker.observe);
  await worker.start();
  config.onReload(worker.reload);

  return {
    readiness: async () => ({
      broker: consuming.state() !== "down" && publishing.state() === "up",
    }),
    graceMs: settings.worker.grace_ms,
    stop: async () => {
      await worker.drain(config.current().worker.grace_ms);
      await publisher.close();
      await Promise.all([consuming.close(), publishing.close()]);
      signals.close();
      redis.close();
    },
  };
}

await runRole("worker", process.env, start);
