import type { ModelConfig } from "../../core/config/schema.ts";
import type { QueuedRequest, QueuedResult } from "../../core/request/messages.ts";
import { silentMetrics } from "../../core/metrics.ts";
import type { Delay } from "../../core/attempt/delay.ts";
import type { InferenceOutcome, UpstreamFaultCode } from "../../core/attempt/outcome.ts";
import type { StartHints } from "../../core/attempt/start.ts";
import { createFakeClock, type FakeClock, untilIdle } from "./clock.ts";
import type {
  Consumer,
  DeadReason,
  Delivery,
  WorkerConfig,
  WorkerPorts,
} from "../../workers/ports.ts";
import { createWorker, type Worker } from "../../workers/worker.ts";

/** One call of the ML service, to be answered by the test. */
export interface FakeCall {
  requestId: string;
  signal: AbortSignal;
  answer: (outcome: InferenceOutcome) => Promise<void>;
  fail: (error: Error) => Promise<void>;
}

export interface FakeDelivery {
  /** What the worker did with it, in order. */
  conclusions: ("ack" | "requeue" | "reject")[];
  loseChannel: () => void;
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
  timeout_ms: 1_000,
  concurrency_max: 4,
  concurrency_min: 1,
  output_tokens_default: 16,
  output_tokens_max: 64,
  prompt_tokens_max: 1_000,
  reply_bytes_max: 10_000,
  breaker_failures: 3,
  breaker_open_ms: 5_000,
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

type FakeRequest = Partial<QueuedRequest> & {
  model?: string;
  createdAtMs?: number;
  expiresAtMs?: number;
};

/** What the worker did to the world, in order. */
interface Journal {
  events: string[];
  results: QueuedResult[];
  retries: { request: QueuedRequest; delay: Delay }[];
  dead: { request: QueuedRequest; reason: DeadReason }[];
  calls: FakeCall[];
}

/**
 * A worker among fakes: the test holds the clock, the broker, the hint store and the ML service in its hands.
 */
export interface FakeWorld extends Journal {
  worker: Worker;
  config: WorkerConfig;
  ports: WorkerPorts;
  consumer: Consumer;
  clock: FakeClock;
  hints: Map<string, StartHints>;
  deliver: (
    id: string,
    more?: Partial<Delivery> & { request?: FakeRequest },
  ) => Promise<FakeDelivery>;
  cancel: (id: string) => Promise<void>;
}

export async function startFakeWorld(
  worker: Partial<WorkerConfig["worker"]> = {},
  models: WorkerConfig["models"] = { m: MODEL },
): Promise<FakeWorld> {
  const journal: Journal = { events: [], results: [], retries: [], dead: [], calls: [] };
  const clock = createFakeClock(1_000_000);
  const hints = new Map<string, StartHints>();
  const listeners: Listeners = { onDelivery: () => {}, onCancel: () => {} };
  const consumer: Consumer = {
    pause: async () => void journal.events.push("pause"),
    close: async () => void journal.events.push("close"),
  };
  const ports = createFakePorts(journal, clock, hints, listeners, consumer);
  const config: WorkerConfig = {
    worker: { ...WORKER, ...worker },
    retry: { attempts_max: 3, delays_ms: [1_000, 5_000] },
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
    async deliver(id, { request, ...more } = {}) {
      const { delivery, observed } = fakeDelivery(id, journal.events);
      const decoded = { ok: true, request: queuedRequest(id, clock.now(), request) } as const;
      listeners.onDelivery({ ...delivery, decoded, ...more });
      await untilIdle();
      return observed;
    },
    async cancel(id) {
      listeners.onCancel(id);
      await untilIdle();
    },
  };
  await world.worker.start();
  return world;
}

interface Listeners {
  onDelivery: (delivery: Delivery) => void;
  onCancel: (requestId: string) => void;
}

function createFakePorts(
  { events, results, retries, dead, calls }: Journal,
  { now, schedule }: FakeClock,
  hints: Map<string, StartHints>,
  listeners: Listeners,
  consumer: Consumer,
): WorkerPorts {
  const silent = (): void => {};
  return {
    async consume(onDelivery) {
      listeners.onDelivery = onDelivery;
      return consumer;
    },
    async publishResult(result) {
      events.push(`result ${result.head.requestId} ${result.state}`);
      results.push(result);
    },
    async publishRetry(request, delay) {
      events.push(`retry ${request.head.requestId}`);
      retries.push({ request, delay });
    },
    async publishAgain({ head }) {
      events.push(`again ${head.requestId}`);
    },
    async publishDead(request, reason) {
      events.push(`dead ${request.head.requestId} ${reason.code}`);
      dead.push({ request, reason });
    },
    markStarted: async ({ requestId }) => hints.get(requestId) ?? { cancelled: false, crashes: 0 },
    clearStarted: async ({ requestId, attemptsMade }) =>
      void events.push(`clear ${requestId} after ${attemptsMade}`),
    noteDelayed: async ({ requestId, untilMs }) =>
      void events.push(`delay ${requestId} until ${untilMs}`),
    onCancel(listener) {
      listeners.onCancel = listener;
      return () => void events.push("stop listening");
    },
    openPayload: ({ head: { requestId } }) => ({
      input: { prompt: requestId },
      maxTokens: 16,
      n: 1,
      parameters: {},
    }),
    sealResult: (_head, result) => new TextEncoder().encode(JSON.stringify(result)),
    infer: (_model, _config, { input }, signal) =>
      new Promise((resolve, reject) => {
        const requestId = "prompt" in input ? input.prompt : "";
        events.push(`call ${requestId}`);
        signal.addEventListener("abort", () => reject(new Error("aborted")));
        calls.push({
          requestId,
          signal,
          answer: (outcome) => (resolve(outcome), untilIdle()),
          fail: (error) => (reject(error), untilIdle()),
        });
      }),
    countTokens: (text) => text.split(" ").length,
    metrics: silentMetrics(),
    log: { debug: silent, info: silent, warn: silent, error: silent },
    now,
    random: () => 0,
    schedule,
    reach: (point) => void events.push(point),
  };
}

function fakeDelivery(
  id: string,
  events: string[],
): { delivery: Omit<Delivery, "decoded">; observed: FakeDelivery } {
  const lost = new AbortController();
  const observed: FakeDelivery = { conclusions: [], loseChannel: () => lost.abort() };
  const conclude = (how: "ack" | "requeue" | "reject") => (): void => {
    if (lost.signal.aborted) return;
    events.push(`${how} ${id}`);
    observed.conclusions.push(how);
  };
  const delivery = {
    deliveryCount: 0,
    redelivered: false,
    lost: lost.signal,
    ack: conclude("ack"),
    requeue: conclude("requeue"),
    publishUnchanged: async () => void events.push(`unchanged ${id}`),
    reject: conclude("reject"),
  };
  return { delivery, observed };
}

function queuedRequest(
  id: string,
  nowMs: number,
  { model = "m", createdAtMs = nowMs, expiresAtMs = nowMs + 60_000, ...request }: FakeRequest = {},
): QueuedRequest {
  return {
    head: {
      requestId: id,
      userId: "user",
      model,
      windowDay: "2026-11-21",
      estimatedTokens: 100,
      createdAtMs,
      expiresAtMs,
    },
    attempt: 1,
    payload: new Uint8Array(),
    ...request,
  };
}
