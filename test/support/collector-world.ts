import { topology } from "../../adapters/amqp/topology.ts";
import type { CrashPoint } from "../../runtime/crash-points.ts";
import type { Log } from "../../runtime/log.ts";
import type { Finish } from "../../core/request/finish.ts";
import type { QueuedRequest, QueuedResult } from "../../core/request/messages.ts";
import type { RequestHead } from "../../core/request/request.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";
import {
  type Collector,
  type CollectorOptions,
  createCollector,
} from "../../collector/results/collector.ts";
import type { CollectorPorts } from "../../collector/ports.ts";
import { createFakeClock } from "./clock.ts";
import { createFakeBroker } from "./fakes/broker.ts";
import { createFakeMessages, type FakeMessage } from "./fakes/messages.ts";
import { createFakeQuota } from "./fakes/quota.ts";
import { createFakeRequestStore } from "./fakes/request-store.ts";
import { createFakeServer } from "./fakes/server.ts";
import { createFakeSignals } from "./fakes/signals.ts";
import { recordMetrics } from "./metrics.ts";

/** The gateway that accepted what a test accepts. */
export const GATEWAY = "gateway-1";
const HOUR_MS = 3_600_000;
export const START_MS = Date.UTC(2026, 10, 21, 12);
const OPTIONS: CollectorOptions = { batch_results_max: 4, batch_wait_ms: 5, grace_ms: 10_000 };

export function headOf(requestId: string, userId = "user-1"): RequestHead {
  return {
    requestId,
    userId,
    model: "sim",
    windowDay: "2026-11-21",
    estimatedTokens: 100,
    createdAtMs: START_MS,
    expiresAtMs: START_MS + HOUR_MS,
  };
}

/** A completed result of 10 + 20 tokens. */
export function resultOf(requestId: string, changes: Partial<QueuedResult> = {}): QueuedResult {
  return {
    head: headOf(requestId),
    state: "completed",
    attempts: 1,
    startedAtMs: START_MS,
    completedAtMs: START_MS,
    usage: { promptTokens: 10, completionTokens: 20, source: "reported" },
    error: null,
    result: new Uint8Array([1]),
    ...changes,
  };
}

export function queuedOf(requestId: string): QueuedRequest {
  return { head: headOf(requestId), attempt: 1, payload: new Uint8Array([1]) };
}

/** The end of a request as its result says it. */
export function finishOf(requestId: string): Finish {
  const { head: _, ...end } = resultOf(requestId);
  return { requestId, ...end };
}

/** As the gateway `GATEWAY` stored it. */
export function rowOf(head: RequestHead, changes: Partial<NewRequest> = {}): NewRequest {
  return {
    head,
    publisherId: GATEWAY,
    prompt: new Uint8Array([1]),
    metadata: null,
    acceptUntilMs: Number.POSITIVE_INFINITY,
    idempotency: null,
    priority: "normal",
    isParked: false,
    ...changes,
  };
}

export type World = ReturnType<typeof createWorld>;

/** Servers that outlive the collectors of a test, and what happened to them in order. */
export function createWorld({ prefetch = 100, options = {} }: WorldOptions = {}) {
  const clock = createFakeClock(START_MS);
  const events: string[] = [];
  const conclusions: string[] = [];
  const queues = topology({ prefix: "", defaultModel: "sim", models: [], retryDelaysMs: [] });
  const broker = createFakeBroker<FakeMessage>(clock, queues.queues, (how) => {
    conclusions.push(how);
    events.push(how);
  });
  const messages = createFakeMessages(broker, queues).collector(prefetch);
  const postgres = createFakeServer("STORE_UNAVAILABLE");
  const store = createFakeRequestStore({ server: postgres, now: clock.now });
  const redis = createFakeServer("QUOTA_UNAVAILABLE");
  const quota = createFakeQuota({ server: redis, now: clock.now });
  const signals = createFakeSignals(redis);
  const recorded = recordMetrics();
  const announced: string[] = [];
  const logged: string[] = [];
  const write = (_: unknown, message: string): void => void logged.push(message);
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const crash: { at: CrashPoint | null } = { at: null };
  const counts = { transactions: 0, settles: 0 };
  signals.onFinished((requestIds) => announced.push(...requestIds));

  const ports = {
    ...messages,
    ...store,
    ...quota,
    now: clock.now,
    schedule: clock.schedule,
    random: () => 0.5,
    log,
    metrics: recorded.metrics,
    reach: (point) => {
      if (crash.at === point) throw new Error(`crashed at ${point}`);
    },
    finishRequests: async (finishes) => {
      counts.transactions += 1;
      const replies = await store.finishRequests(finishes);
      events.push("commit");
      return replies;
    },
    settle: async (settlements) => {
      const replies = await quota.settle(settlements);
      counts.settles += replies.filter((reply) => reply === "settled").length;
      events.push("settle");
      return replies;
    },
    announceFinished: async (requestIds) => {
      await signals.announceFinished(requestIds);
      events.push("announce");
    },
    publishDeadRequest: async (request, error) => {
      await messages.publishDeadRequest(request, error);
      events.push("dead");
    },
  } satisfies CollectorPorts;

  /** A request of that head holds its estimate, stored or not. */
  const hold = ({ userId, requestId, windowDay: day, estimatedTokens: tokens }: RequestHead) =>
    quota.hold({ userId, requestId, day, tokens });

  return {
    clock,
    events,
    broker,
    postgres,
    store,
    redis,
    quota,
    announced,
    logged,
    crash,
    ports,
    hold,
    /** How deliveries were settled, in order. */
    conclusions,
    /** How often PostgreSQL was asked to end requests, and how many holds were settled. */
    counts,
    metric: recorded.value,
    /** Stores requests, each with its hold. */
    accept: (...requestIds: string[]): void => {
      for (const requestId of requestIds) {
        store.put(rowOf(headOf(requestId)));
        hold(headOf(requestId));
      }
    },
    publish: (...results: QueuedResult[]): void => {
      for (const result of results)
        void broker.publish(queues.results.name, { kind: "result", result });
    },
    /** Any message of `inference_results`. */
    publishMessage: (message: FakeMessage): void =>
      void broker.publish(queues.results.name, message),
    /** Results that collectors own. */
    owned: () => broker.owned(queues.results.name),
    /** Results that nobody owns. */
    waiting: () => broker.ready(queues.results.name),
    deadResults: () => broker.ready(queues.resultsDead.name),
    deadRequests: () =>
      broker
        .ready(queues.requestsDead.name)
        .flatMap((message) => (message.kind === "request" ? [message.request] : [])),
    /** Ids of the requests that were published and that no worker has taken, in order. */
    publishedRequests: () =>
      broker
        .ready(queues.requests.name)
        .map((message) => (message.kind === "request" ? message.request.head.requestId : "")),
    stateOf: (requestId: string) => {
      const row = store.row(requestId);
      return row && { state: row.end?.state ?? "queued", errorCode: row.end?.error?.code ?? null };
    },
    /** Starts a collector; one that ran before is dead: its deliveries go to the new one. */
    start: async (): Promise<Collector> => {
      broker.killConsumers();
      crash.at = null;
      const collector = createCollector(ports, { ...OPTIONS, ...options });
      await collector.start();
      return collector;
    },
  };
}

interface WorldOptions {
  prefetch?: number;
  options?: Partial<CollectorOptions>;
}
