import type { InferenceOutcome, UpstreamFaultCode } from "../../core/attempt/outcome.ts";
import type { ModelConfig } from "../../core/config/schema.ts";
import type { WorkerConfig, WorkerPorts } from "../../workers/ports.ts";
import { createWorker, type Worker } from "../../workers/worker.ts";
import { createFakeClock, untilIdle } from "./clock.ts";
import { createFakeHints } from "./fakes/hints.ts";
import { createFakeLanes } from "./fakes/lanes.ts";
import { createFakeModelHealth } from "./fakes/model-health.ts";
import { createFakeServer } from "./fakes/server.ts";
import { createFakeSignals } from "./fakes/signals.ts";
import { type RecordedMetrics, recordMetrics } from "./metrics.ts";
import { type Arrivals, createArrivals, type FakeDelivery, USER } from "./worker-arrivals.ts";
import {
  createJournal,
  enginePorts,
  type Journal,
  messagePorts,
  redisPorts,
  type SharedWorld,
} from "./worker-ports.ts";

export const answered: Extract<InferenceOutcome, { ok: true }> = {
  ok: true,
  choices: [{ index: 0, text: "some words", finish_reason: "stop" }],
  usage: { promptTokens: 3, completionTokens: 2, cachedTokens: 0, reasoningTokens: 0 },
};

export const failed = (
  code: UpstreamFaultCode,
  retryAfterMs: number | null = null,
): InferenceOutcome => ({ ok: false, code, message: "the ML service failed", retryAfterMs });

export const MODEL: ModelConfig = {
  protocol: "openai-chat",
  url: "http://127.0.0.1:1/",
  urls: [],
  headers: {},
  fields: { max_tokens: "max_tokens" },
  failed_finish_reasons: ["abort", "error"],
  allowed_parameters: ["*"],
  // Longer than any test lets pass: its calls end when it says so.
  timeout_ms: 24 * 3_600_000,
  concurrency_max: 4,
  concurrency_min: 1,
  output_tokens_default: 16,
  output_tokens_max: 64,
  prompt_tokens_max: 1_000,
  reply_bytes_max: 10_000,
  media_tokens: 1_000,
  idle_timeout_ms: 60_000,
  stream_upstream: false,
  breaker_failures: 3,
  breaker_open_ms: 5_000,
  breaker_open_max_ms: 60_000,
};

const WORKER: WorkerConfig["worker"] = {
  metrics_port: 9091,
  host: "127.0.0.1",
  actors: 4,
  gather_ms: 0,
  crashes_max: 3,
  grace_ms: 25_000,
};

/** A worker among fakes: the test has the clock, the broker, the hints and the ML service in its hands. */
export interface FakeWorld extends Journal, SharedWorld, Omit<Arrivals, "consume"> {
  worker: Worker;
  config: WorkerConfig;
  ports: WorkerPorts;
  metrics: RecordedMetrics;
  /** Timers of a worker that has nothing to do. */
  timersAtRest: number;
  /** Delivers again what was put off first. */
  bringBack: () => Promise<FakeDelivery>;
  /** Its user cancels the request. */
  cancel: (id: string) => Promise<void>;
  /** So many workers died at an attempt of the request. */
  killWorkersAt: (id: string, times: number) => Promise<void>;
}

interface WorldOptions {
  workerId?: string;
  shared?: SharedWorld;
  /** Secrets that the worker has. */
  keys?: readonly string[];
  /** Called before the worker starts. */
  prepare?: (world: FakeWorld) => void | Promise<void>;
}

const DELAYS_MS = [1_000, 5_000];

export function createSharedWorld(): SharedWorld {
  const clock = createFakeClock(1_000_000);
  const { now } = clock;
  const redis = createFakeServer("QUOTA_UNAVAILABLE");
  const hintsServer = createFakeServer("QUOTA_UNAVAILABLE");
  return {
    clock,
    redis,
    hints: createFakeHints({ server: hintsServer, now }),
    health: createFakeModelHealth({ server: redis, now }),
    lanes: createFakeLanes({ server: redis, now }),
    signals: createFakeSignals(hintsServer),
  };
}

export async function startFakeWorld(
  worker: Partial<WorkerConfig["worker"]> = {},
  models: WorkerConfig["models"] = { m: MODEL },
  { workerId = "this", shared = createSharedWorld(), keys = [], prepare }: WorldOptions = {},
): Promise<FakeWorld> {
  const journal = createJournal();
  const metrics = recordMetrics();
  const { clock, hints, signals } = shared;
  const { consume, ...arrivals } = createArrivals(clock, journal.events);
  const ports: WorkerPorts = {
    workerId,
    host: "here",
    hasKey: ({ api_key_env: name }) => name === undefined || keys.includes(name),
    consume,
    ...messagePorts(journal, clock, { models: Object.keys(models), delaysMs: DELAYS_MS }),
    ...redisPorts(journal, shared),
    ...enginePorts(journal, clock, metrics),
  };
  const config: WorkerConfig = {
    worker: { ...WORKER, ...worker },
    retry: { attempts_max: 3, delays_ms: DELAYS_MS },
    models,
    default_model: Object.keys(models)[0] ?? "",
  };
  const world: FakeWorld = {
    ...shared,
    ...journal,
    ...arrivals,
    worker: createWorker({ config: () => config, ports }),
    config,
    ports,
    metrics,
    timersAtRest: 0,
    bringBack() {
      const request = journal.putOff.shift();
      if (request === undefined) throw new Error("nothing is put off");
      const { requestId, model } = request.head;
      return arrivals.deliver(requestId, { request: { ...request, model } });
    },
    async cancel(id) {
      await signals.announceCancel(id);
      await untilIdle();
    },
    async killWorkersAt(requestId, times) {
      for (let time = 0; time < times; time += 1) {
        const start = { attempt: 1, startedAtMs: clock.now(), redelivered: time > 0 };
        await hints.markStarted({ userId: USER, requestId, ...start });
      }
    },
  };
  await prepare?.(world);
  await world.worker.start();
  await untilIdle();
  world.timersAtRest = clock.timerCount();
  return world;
}

/** The requests that the ML service was called for, in order. */
export const running = (world: FakeWorld): string[] =>
  world.calls.map(({ requestId }) => requestId);

/** Ends the last call for the request. */
export async function answer(
  world: FakeWorld,
  id: string,
  outcome: InferenceOutcome = answered,
): Promise<void> {
  await world.calls.findLast(({ requestId }) => requestId === id)?.answer(outcome);
}

/** What a status would say that the request met last. */
export async function lastErrorOf(world: FakeWorld, requestId: string, userId = USER) {
  const [hints] = await world.hints.read([{ userId, requestId }]);
  return hints?.lastError;
}
