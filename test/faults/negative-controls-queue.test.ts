/** The checker must find what would make people wait for, or fail by, somebody else's trouble. */
import { expect } from "bun:test";

import { decodeRequest, encodeResult } from "../../adapters/amqp/messages.ts";
import { createModelHealthStore } from "../../adapters/redis/model-health.ts";
import { HEALTHY } from "../../core/queue/model-health.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { openPostOffice } from "../support/stack/post-office.ts";
import type { TestStack } from "../support/stack/stack.ts";
import { violationsOf } from "../../history/check.ts";
import { type Bug, testFindsBug } from "./seeded-bugs.ts";

const MODEL = "sim-chat";
/** Two users who both post more than there is room for; one of them should get three times as much. */
const CONTENDED = {
  settings: { models: { [MODEL]: { concurrency_max: 8 } } },
  load: {
    ratePerSecond: 200,
    readEvery: 1_000_000,
    quietLimitMs: 20_000,
    shares: { model: MODEL, weights: { 0: 1, 1: 3 } },
  },
} as const;
const SERVICE_MS = 100;

/** Ends one request that waits as a worker does that gives up when it cannot reach the ML service. */
async function failOneForUnavailability(stack: TestStack): Promise<void> {
  const { workers, books } = stack;
  await Promise.all(workers.map((worker) => worker.terminate()));
  const post = openPostOffice(stack);
  await untilTrue("requests wait", 10_000, async () => {
    const depths = await books.depths();
    return (depths["inference_requests"] ?? 0) > 1;
  });
  const [first, ...kept] = await post.takeAll("inference_requests");
  for (const message of kept) await post.put("inference_requests", message);
  const decoded = first === undefined ? undefined : decodeRequest(first);
  if (decoded?.ok !== true) throw new Error("there is no request that waits");
  const result = encodeResult({
    head: decoded.request.head,
    state: "failed",
    result: null,
    usage: null,
    error: { code: "UPSTREAM_UNREACHABLE", message: "the ML service cannot be reached" },
    attempts: 1,
    startedAtMs: null,
    completedAtMs: Date.now(),
  });
  await post.put("inference_results", result);
  await post.close();
  await Promise.all(workers.map((worker) => worker.start()));
}

/** Holds a model up that is well, as a breaker does that knows no models. */
async function pauseHealthyModel({ books }: TestStack): Promise<void> {
  const pauseMs = 3_000;
  await createModelHealthStore(books.redis).change(MODEL, ({ atMs }) => {
    const untilMs = atMs + pauseMs;
    const cause = { cause: "unreachable", message: "another model is away" } as const;
    return { ...HEALTHY, pause: { ...cause, sinceMs: atMs, pauseMs, untilMs, probe: null } };
  });
  await Bun.sleep(pauseMs);
}

const BUGS: readonly Bug[] = [
  {
    name: "a request fails because its ML service was away",
    when: "during",
    seed: failOneForUnavailability,
    expectFound: (report) => {
      expect(violationsOf(report)).toEqual(["impatient"]);
      expect(report.impatient).toHaveLength(1);
    },
  },
  {
    name: "a healthy model waits while another one is away",
    when: "during",
    seed: pauseHealthyModel,
    load: {
      groupOf: () => "the healthy model",
      waits: { "the healthy model": { msMax: 1_500 } },
      quietLimitMs: 20_000,
    },
    expectFound: (report) => {
      expect(violationsOf(report)).toEqual(["late"]);
    },
  },
  {
    name: "a user of more weight gets no more than others",
    when: "during",
    ...CONTENDED,
    // As if weights were not looked at: the users' tiers have the same one.
    seed: async (stack) => {
      await Bun.sleep(8_000);
      await stack.simulator.set({ ttft_ms: 0 });
    },
    simulator: { ttft_ms: SERVICE_MS },
    expectFound: (report) => {
      expect(violationsOf(report)).toEqual(["unfair"]);
    },
  },
];

for (const bug of BUGS) testFindsBug(bug);
