import { topology } from "../../adapters/amqp/topology.ts";
import type { ModelConfig } from "../../core/config/schema.ts";
import type { QueuedRequest, QueuedResult } from "../../core/request/messages.ts";
import { silentMetrics } from "../../core/metrics.ts";
import type { Delay } from "../../core/attempt/delay.ts";
import type { InferenceOutcome, UpstreamFaultCode } from "../../core/attempt/outcome.ts";
import type { Consumer, DeadReason, WorkerConfig, WorkerPorts } from "../../workers/ports.ts";
import { createWorker, type Worker } from "../../workers/worker.ts";
import { createFakeClock, type FakeClock, untilIdle } from "./clock.ts";
import { createFakeBroker } from "./fakes/broker.ts";
import { createFakeHints, type FakeHints } from "./fakes/hints.ts";
import { createFakeMessages } from "./fakes/messages.ts";
import { createFakeMlService, type FakeCall } from "./fakes/ml-service.ts";
import { createFakeServer } from "./fakes/server.ts";
import { createFakeSignals, type FakeSignals } from "./fakes/signals.ts";
import {
  type Arrival,
  createArrivals,
  type FakeChannel,
  type FakeDelivery,
  USER,
} from "./worker-arrivals.ts";
import { silentLog } from "../../runtime/log.ts";

/** One call of the ML service, which replies when the test says so. */
interface WorldCall {
  requestId: string;
  signal: AbortSignal;
  answer: (outcome: InferenceOutcome) => Promise<void>;
  fail: (error: Error) => Promise<void>;
}

export const answered: Extract<InferenceOutcome, { ok: true }> = {
  ok: true,
  choices: [{ index: 0, text: "some words", finish_reason: "stop" }],
  usage: { promptTokens: 3, completionTokens: 2 },
};

export const failed = (
  code: UpstreamFaultCode,
  retryAfterMs: number | null = null,
): InferenceOutcome => ({ ok: false, code, message: "the ML service failed", retryAfterMs });

export const MODEL: ModelConfig = {
  protocol: "openai-chat",
  url: "http://127.0.0.1:1/",
  headers: {},
  // Longer than any test lets pass: its calls end when it says so.
  timeout_ms: 24 * 3_600_000,
  concurrency_max: 4,
  concurrency_min: 1,
  output_tokens_default: 16,
  output_tokens_max: 64,
  prompt_tokens_max: 1_000,
  reply_bytes_max: 10_000,
  breaker_failures: 3,
  breaker_open_ms: 5_000,
  breaker_open_max_ms: 60_000,
};

const WORKER: WorkerConfig["worker"] = {
  metrics_port: 9091,
  host: "127.0.0.1",
  actors: 4,
  prefetch: 8,
  gather_ms: 0,
  park_ms: 20_000,
  crashes_max: 3,
  grace_ms: 25_000,
};

/** What the worker did to the world, in order. */
interface Journal {
  events: string[];
  results: QueuedResult[];
  retries: { request: QueuedRequest; delay: Delay }[];
  dead: { request: QueuedRequest; reason: DeadReason }[];
  calls: WorldCall[];
}

/** A worker among fakes: the test has the clock, the broker, the hints and the ML service in its hands. */
export interface FakeWorld extends Journal {
  worker: Worker;
  config: WorkerConfig;
  ports: WorkerPorts;
  consumer: Consumer;
  clock: FakeClock;
  hints: FakeHints;
  newChannel: () => FakeChannel;
  deliver: (id: string, arrival?: Arrival) => Promise<FakeDelivery>;
  /** Its user cancels the request. */
  cancel: (id: string) => Promise<void>;
  /** So many workers died at an attempt of the request. */
  killWorkersAt: (id: string, times: number) => Promise<void>;
}

const DELAYS_MS = [1_000, 5_000];

export async function startFakeWorld(
  worker: Partial<WorkerConfig["worker"]> = {},
  models: WorkerConfig["models"] = { m: MODEL },
): Promise<FakeWorld> {
  const journal: Journal = { events: [], results: [], retries: [], dead: [], calls: [] };
  const clock = createFakeClock(1_000_000);
  const server = createFakeServer("QUOTA_UNAVAILABLE");
  const hints = createFakeHints({ server, now: clock.now });
  const signals = createFakeSignals(server);
  const arrivals = createArrivals(clock, journal.events);
  const consumer: Consumer = {
    pause: async () => void journal.events.push("pause"),
    close: async () => void journal.events.push("close"),
  };
  const ports: WorkerPorts = {
    ...messagePorts(journal, clock),
    ...redisPorts(journal, hints, signals),
    ...enginePorts(journal, clock),
    consume: async (onDelivery) => {
      arrivals.onDelivery(onDelivery);
      return consumer;
    },
  };
  const config: WorkerConfig = {
    worker: { ...WORKER, ...worker },
    retry: { attempts_max: 3, delays_ms: DELAYS_MS },
    models,
  };
  const world: FakeWorld = {
    ...journal,
    worker: createWorker({ config: () => config, ports }),
    config,
    ports,
    consumer,
    clock,
    hints,
    newChannel: arrivals.newChannel,
    deliver: arrivals.deliver,
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
  await world.worker.start();
  return world;
}

/** What the worker publishes: other workers take it, and it comes to this one only if a test delivers it. */
function messagePorts({ events, results, retries, dead }: Journal, clock: FakeClock) {
  const queues = topology({ prefix: "", defaultModel: "m", models: [], retryDelaysMs: DELAYS_MS });
  const { worker } = createFakeMessages(createFakeBroker(clock, queues.queues), queues);
  return {
    publishResult: async (result) => {
      events.push(`result ${result.head.requestId} ${result.state}`);
      results.push(result);
      await worker.publishResult(result);
    },
    publishRetry: async (request, delay) => {
      events.push(`retry ${request.head.requestId}`);
      retries.push({ request, delay });
      await worker.publishRetry(request, delay);
    },
    publishAgain: async (request) => {
      events.push(`again ${request.head.requestId}`);
      await worker.publishAgain(request);
    },
    publishDead: async (request, reason) => {
      events.push(`dead ${request.head.requestId} ${reason.code}`);
      dead.push({ request, reason });
      await worker.publishDead(request, reason);
    },
  } satisfies Partial<WorkerPorts>;
}

function redisPorts({ events }: Journal, hints: FakeHints, signals: FakeSignals) {
  return {
    markStarted: hints.markStarted,
    clearStarted: async (end) => {
      events.push(`clear ${end.requestId} after ${end.attemptsMade}`);
      await hints.clearStarted(end);
    },
    noteDelayed: async (wait) => {
      events.push(`delay ${wait.requestId} until ${wait.untilMs}`);
      await hints.noteDelayed(wait);
    },
    onCancel: (listener) => {
      const stop = signals.onCancel(listener);
      return () => {
        events.push("stop listening");
        stop();
      };
    },
  } satisfies Partial<WorkerPorts>;
}

/** The ML service, the seals and the machine. */
function enginePorts({ events, calls }: Journal, { now, schedule }: FakeClock) {
  const onCall = ({ payload: { input }, signal, reply, fail }: FakeCall): void => {
    const requestId = "prompt" in input ? input.prompt : "";
    events.push(`call ${requestId}`);
    calls.push({
      requestId,
      signal,
      answer: (outcome) => (reply(outcome), untilIdle()),
      fail: (error) => (fail(error), untilIdle()),
    });
  };
  return {
    infer: createFakeMlService(schedule, onCall).infer,
    openPayload: ({ head: { requestId } }: QueuedRequest) => ({
      input: { prompt: requestId },
      maxTokens: 16,
      n: 1,
      parameters: {},
    }),
    sealResult: (_head, result) => new TextEncoder().encode(JSON.stringify(result)),
    countTokens: (text) => text.split(" ").length,
    metrics: silentMetrics(),
    log: silentLog,
    now,
    random: () => 0,
    schedule,
    reach: (point) => void events.push(point),
  } satisfies Partial<WorkerPorts>;
}
