import { topology } from "../../adapters/amqp/topology.ts";
import type { ModelHealthStore } from "../../adapters/redis/model-health.ts";
import type { Delay } from "../../core/attempt/delay.ts";
import type { InferenceOutcome } from "../../core/attempt/outcome.ts";
import type { QueuedRequest, QueuedResult } from "../../core/request/messages.ts";
import type { DeadReason, WorkerPorts } from "../../workers/ports.ts";
import { type FakeClock, untilIdle } from "./clock.ts";
import { createFakeBroker } from "./fakes/broker.ts";
import type { FakeHints } from "./fakes/hints.ts";
import type { FakeLanes } from "./fakes/lanes.ts";
import { createFakeMessages } from "./fakes/messages.ts";
import { createFakeMlService, type FakeCall } from "./fakes/ml-service.ts";
import type { FakeServer } from "./fakes/server.ts";
import type { FakeSignals } from "./fakes/signals.ts";
import type { RecordedMetrics } from "./metrics.ts";
import { payloadOf } from "./payloads.ts";

/** One call of the ML service, which replies when the test says so. */
interface WorldCall {
  requestId: string;
  signal: AbortSignal;
  answer: (outcome: InferenceOutcome) => Promise<void>;
  fail: (error: Error) => Promise<void>;
}

/** What the worker did to the world, in order. */
export interface Journal {
  events: string[];
  results: QueuedResult[];
  retries: { request: QueuedRequest; delay: Delay }[];
  /** What was put off: nobody brings it back but the test. */
  putOff: QueuedRequest[];
  dead: { request: QueuedRequest; reason: DeadReason }[];
  calls: WorldCall[];
  logs: string[];
}

/** What several workers share. */
export interface SharedWorld {
  clock: FakeClock;
  /** Redis, which can go away. The hints about requests stay, so that the tests see what was noted. */
  redis: FakeServer;
  hints: FakeHints;
  health: ModelHealthStore;
  lanes: FakeLanes;
  signals: FakeSignals;
}

export const createJournal = (): Journal => ({
  events: [],
  results: [],
  retries: [],
  putOff: [],
  dead: [],
  calls: [],
  logs: [],
});

/** What the worker publishes: others take it, and it comes to this worker only if a test delivers it. */
export function messagePorts(
  { events, results, retries, putOff, dead }: Journal,
  clock: FakeClock,
  { models, delaysMs }: { models: readonly string[]; delaysMs: readonly number[] },
) {
  const [defaultModel = ""] = models;
  const queues = topology({ prefix: "", defaultModel, models, retryDelaysMs: delaysMs });
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
    publishPutOff: async (request) => {
      events.push(`put off ${request.head.requestId}`);
      putOff.push(request);
      await worker.publishPutOff(request);
    },
    publishDead: async (request, reason) => {
      events.push(`dead ${request.head.requestId} ${reason.code}`);
      dead.push({ request, reason });
      await worker.publishDead(request, reason);
    },
  } satisfies Partial<WorkerPorts>;
}

export function redisPorts({ events }: Journal, { hints, signals, health, lanes }: SharedWorld) {
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
    readHealth: health.read,
    changeHealth: health.change,
    readLanes: lanes.readView,
    announceModelChange: signals.announceModelChange,
    onModelChange: signals.onModelChange,
    noteWorker: lanes.noteWorker,
    forgetWorker: lanes.forgetWorker,
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
export function enginePorts(
  { events, calls, logs }: Journal,
  { now, schedule }: FakeClock,
  { metrics }: RecordedMetrics,
) {
  const onCall = ({ payload: { input }, signal, reply, fail }: FakeCall): void => {
    const requestId = "prompt" in input ? String(input.prompt.parse()) : "";
    events.push(`call ${requestId}`);
    calls.push({
      requestId,
      signal,
      answer: (outcome) => (reply(outcome), untilIdle()),
      fail: (error) => (fail(error), untilIdle()),
    });
  };
  const log = (_fields: object, message: string): void => void logs.push(message);
  return {
    infer: createFakeMlService(schedule, onCall).infer,
    openPayload: ({ head: { requestId } }: QueuedRequest) =>
      payloadOf({ input: { prompt: requestId }, maxTokens: 16 }),
    beginDeltas: async () => 1,
    appendDeltas: async () => {},
    readDeltas: async (asked) => asked.map(() => []),
    sealResult: (_head, result) => new TextEncoder().encode(JSON.stringify(result)),
    sealErrorDetail: (_head, words) => new TextEncoder().encode(JSON.stringify(words)),
    countTokens: (text) => text.split(" ").length,
    metrics,
    log: { debug: () => {}, info: log, warn: log, error: log },
    now,
    random: () => 0,
    schedule,
    reach: (point) => void events.push(point),
  } satisfies Partial<WorkerPorts>;
}
