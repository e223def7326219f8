import { hostname } from "node:os";

import { randomUUIDv7 } from "bun";

import {
  followQueues,
  openBroker,
  openRedis,
  redisOptions,
  START_WAIT_MS,
} from "../adapters/process/connections.ts";
import { createDelayQueues } from "../adapters/amqp/delay-queues.ts";
import { createPublisher } from "../adapters/amqp/publisher.ts";
import { createSealer } from "../adapters/crypto/envelope.ts";
import { createInfer } from "../adapters/ml/infer.ts";
import { type RoleContext, runRole, type RunningRole } from "../adapters/process/run-role.ts";
import { after } from "../adapters/process/timers.ts";
import { createLanes } from "../adapters/redis/lanes.ts";
import { createModelHealthStore } from "../adapters/redis/model-health.ts";
import { createRequestHints } from "../adapters/redis/request-hints.ts";
import { createSignals } from "../adapters/redis/signals.ts";
import { createTokenCounter } from "../adapters/tokens/token-counter.ts";
import { hasKey, missingKeys } from "../core/config/missing-keys.ts";
import { ConfigError } from "../core/config/parse.ts";
import type { Config } from "../core/config/schema.ts";
import { keysWithoutEffect } from "../core/config/without-effect.ts";
import { createGather } from "../runtime/gather.ts";
import type { Log } from "../runtime/log.ts";
import { decodeJson, encodeJson, type InferencePayload } from "../core/request/payload.ts";
import type { WorkerPorts } from "./ports.ts";
import { messagePorts } from "./wiring/messages.ts";
import { createWorker } from "./worker.ts";

const PUBLISH_CHANNELS = 2;
/** With so many a write and a confirm cost little beside them. */
const GATHERED_RESULTS_MAX = 16;
/** Unconfirmed messages at once; what is above waits its turn. */
const PUBLISH_MESSAGES_MAX = 500;
/** Results of finished attempts under way to the broker; far above what a prefetch can produce at once. */
const PUBLISH_BYTES_MAX = 64 * 1024 * 1024;

async function start({ config, env, log, registry, reach }: RoleContext): Promise<RunningRole> {
  const settings = config.current();
  const problems = missingKeys(settings.models, env);
  if (problems.length === Object.keys(settings.models).length) throw new ConfigError(problems);
  tellProblems(settings, env, log);
  config.onReload((reloaded) => tellProblems(reloaded, env, log));
  const name = `tollgate-worker-${process.pid}`;

  const redis = openRedis(settings, name, log);
  const signals = createSignals(redis, redisOptions(settings, name, log));
  const hints = createRequestHints(redis);
  const consuming = openBroker(config.current, `${name}-consume`, log);
  const publishing = openBroker(config.current, `${name}-publish`, log);
  const publisher = createPublisher(publishing, {
    channels: PUBLISH_CHANNELS,
    messagesMax: PUBLISH_MESSAGES_MAX,
    bytesMax: PUBLISH_BYTES_MAX,
    confirmTimeoutMs: settings.amqp.confirm_timeout_ms,
  });
  const queues = followQueues(config, publishing, log);
  const delays = createDelayQueues(publishing, { prefix: settings.amqp.queue_prefix });
  // Redis is not waited for: without its hints work goes on.
  await Promise.all([consuming.whenUp(START_WAIT_MS), publishing.whenUp(START_WAIT_MS)]);

  const sealer = createSealer(settings.secrets.encryption_keys);
  const tokens = createTokenCounter();
  const gatherResults = createGather({
    schedule: after,
    now: Date.now,
    waitMs: settings.worker.gather_ms,
    groupMax: GATHERED_RESULTS_MAX,
    isEager: false,
  });

  const health = createModelHealthStore(redis);
  const lanes = createLanes(redis);
  const ports: WorkerPorts = {
    workerId: `worker-${randomUUIDv7()}`,
    host: hostname(),
    hasKey: (model) => hasKey(model, env),
    ...messagePorts({ consuming, publisher, delays, queues, gatherResults }),
    markStarted: hints.markStarted,
    clearStarted: hints.clearStarted,
    noteDelayed: hints.noteDelayed,
    readHealth: health.read,
    changeHealth: health.change,
    readLanes: lanes.readView,
    announceModelChange: signals.announceModelChange,
    onModelChange: signals.onModelChange,
    noteWorker: lanes.noteWorker,
    forgetWorker: lanes.forgetWorker,
    onCancel: signals.onCancel,
    openPayload: ({ head, payload }) =>
      decodeJson(sealer.open(payload, head, "prompt")) as InferencePayload,
    sealResult: (head, result) => sealer.seal(encodeJson(result), head, "result"),
    infer: createInfer((secret) => env[secret]),
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

/** What the operator should mend, but a worker can do without. */
function tellProblems(settings: Config, env: RoleContext["env"], log: Log): void {
  for (const problem of missingKeys(settings.models, env)) {
    log.error({ problem }, "a model is not called until this worker is started with its key");
  }
  for (const key of keysWithoutEffect(settings)) {
    log.warn({ key }, "a key of the configuration is set and has no effect");
  }
}

await runRole("worker", process.env, start);
