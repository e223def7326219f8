import type { CrashPoint } from "../../runtime/crash-points.ts";
import type { Log } from "../../runtime/log.ts";
import type { QueuedRequest, QueuedResult } from "../../core/request/messages.ts";
import type { RequestHead } from "../../core/request/request.ts";
import {
  type Collector,
  type CollectorOptions,
  createCollector,
} from "../../collector/results/collector.ts";
import type { CollectorPorts } from "../../collector/ports.ts";
import { createFakeBroker } from "./collector/broker.ts";
import { createFakeClock } from "./clock.ts";
import { recordMetrics } from "./metrics.ts";
import { createFakePostgres, createFakeRedis, FakeDataFault } from "./collector/stores.ts";

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
    expiresAtMs: START_MS + 86_400_000,
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

export type World = ReturnType<typeof createWorld>;

/** Servers that outlive the collectors of a test, and what happened to them in order. */
export function createWorld({ prefetch = 100, options = {} }: WorldOptions = {}) {
  const clock = createFakeClock(START_MS);
  const events: string[] = [];
  const note = (event: string): void => void events.push(event);
  const broker = createFakeBroker(prefetch, note);
  const postgres = createFakePostgres();
  const redis = createFakeRedis();
  const recorded = recordMetrics();
  const announced: string[] = [];
  const deadRequests: QueuedRequest[] = [];
  const logged: string[] = [];
  const write = (_: unknown, message: string): void => void logged.push(message);
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const crash: { at: CrashPoint | null } = { at: null };
  let collector: Collector | undefined;

  const ports: CollectorPorts = {
    now: clock.now,
    schedule: clock.schedule,
    random: () => 0.5,
    log,
    metrics: recorded.metrics,
    reach: (point) => {
      if (crash.at === point) throw new Error(`crashed at ${point}`);
    },
    consumeResults: broker.consume,
    isDataFault: (error) => error instanceof FakeDataFault,
    finishRequests: async (finishes) => {
      const replies = await postgres.finishRequests(finishes);
      note("commit");
      return replies;
    },
    settle: async (settlements) => {
      const replies = await redis.settle(settlements);
      note("settle");
      return replies;
    },
    announceFinished: async (requestIds) => {
      announced.push(...requestIds);
      note("announce");
    },
    publishDeadRequest: async (request) => {
      deadRequests.push(request);
      note("dead");
    },
  };

  return {
    clock,
    events,
    broker,
    postgres,
    redis,
    announced,
    deadRequests,
    logged,
    crash,
    ports,
    metric: recorded.value,
    accept: (...requestIds: string[]): void => {
      for (const requestId of requestIds) {
        const head = headOf(requestId);
        postgres.requests.set(requestId, { head, state: "queued", errorCode: null });
        redis.take(head);
      }
    },
    publish: (...results: QueuedResult[]): void => {
      broker.publish(...results.map((result) => ({ kind: "result" as const, result })));
    },
    /** Starts a collector; one that ran before is dead: its deliveries go to the new one. */
    start: async (): Promise<Collector> => {
      broker.loseChannel();
      crash.at = null;
      collector = createCollector(ports, { ...OPTIONS, ...options });
      await collector.start();
      return collector;
    },
  };
}

interface WorldOptions {
  prefetch?: number;
  options?: Partial<CollectorOptions>;
}
