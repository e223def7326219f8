/**
 * Nobody waits for somebody else's backlog: what once delayed people by minutes, or failed what could wait.
 * Bounds are loose enough for a slow machine, and far below what each took when it was wrong.
 */
import { expect } from "bun:test";

import type { AcceptedReply, StatusReply } from "../../gateway/http/schemas.ts";
import { parseMetrics, sumOf } from "../../local/observe/prometheus-text.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { Api } from "../../history/api.ts";
import { generateMany, untilAllEnded } from "../support/stack/crowd.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";

const HEALTHY = "sim-chat";
/** Has an ML service of its own, which is stopped and changed here. */
const OTHER = "other";
/** One call at a time. */
const NARROW = "narrow";

const test = testsOnStack({
  workers: 2,
  ownSimulators: [OTHER, NARROW],
  settings: {
    models: {
      [HEALTHY]: { concurrency_max: 16 },
      [OTHER]: { concurrency_max: 16 },
      [NARROW]: { concurrency_max: 1 },
    },
  },
});

/** Far more than a request takes that nobody delays. */
const AS_IF_ALONE_MS = 10_000;
const MANY_END_LIMIT_MS = 45_000;
/** Longer than all attempts and the delays between them take together. */
const PATIENCE_MS = 4_000;
const LIMIT_MS = 120_000;

const tookMs = ({ created_at: from, completed_at: to = "" }: StatusReply): number =>
  Date.parse(to) - Date.parse(from);

/** Posts one small request and waits for its end. */
async function runOne(api: Api, model: string): Promise<StatusReply> {
  const { request_id: requestId } = await api.generate({ prompt: "hello", max_tokens: 16, model });
  return api.untilEnded(requestId);
}

async function expectAsIfAlone(api: Api): Promise<void> {
  const ended = await runOne(api, HEALTHY);
  expect(ended.status).toBe("completed");
  expect(tookMs(ended)).toBeLessThan(AS_IF_ALONE_MS);
}

/** They have completed, and nothing but executions counted as attempts. */
async function expectAllComplete(
  api: Api,
  requests: readonly AcceptedReply[],
): Promise<StatusReply[]> {
  const ends = await untilAllEnded(api, requests, MANY_END_LIMIT_MS);
  const kinds = ends.map(({ status, attempts }) => `${status} after ${attempts}`);
  expect([...new Set(kinds)]).toEqual(["completed after 1"]);
  return ends;
}

async function isPausedFor({ workers }: TestStack, model: string, cause: string): Promise<boolean> {
  for (const { readMetrics } of workers) {
    const text = await readMetrics();
    if (sumOf(parseMetrics(text), "model_paused", { model, cause }) > 0) return true;
  }
  return false;
}

test(
  "1,000 requests to a model whose ML service is away delay no request to another, and complete later",
  async (stack) => {
    const api = stack.api(await stack.addUser());
    await stack.component(`simulator-${OTHER}`).kill();
    const stuck = await generateMany(api, 1_000, { atOnce: 32, more: { model: OTHER } });

    await expectAsIfAlone(api);
    await expectAsIfAlone(stack.api(await stack.addUser()));

    await stack.component(`simulator-${OTHER}`).start();
    await expectAllComplete(api, stuck);
  },
  LIMIT_MS,
);

test(
  "1,000 requests to a slow model that takes one call at a time delay no request to another",
  async (stack) => {
    const api = stack.api(await stack.addUser());
    await stack.simulatorOf(NARROW).set({ ttft_ms: 1_000 });
    const slow = await generateMany(api, 1_000, { atOnce: 32, more: { model: NARROW } });

    await expectAsIfAlone(api);
    await expectAsIfAlone(stack.api(await stack.addUser()));

    await stack.simulatorOf(NARROW).set({ ttft_ms: 0 });
    await expectAllComplete(api, slow);
  },
  LIMIT_MS,
);

test(
  "500 requests whose ML service refuses our credential, then our model's name, wait until it takes them",
  async (stack) => {
    const api = stack.api(await stack.addUser());
    const another = stack.api(await stack.addUser());
    const simulator = stack.simulatorOf(OTHER);
    await simulator.set({ fault_rates: { "401": 1 } });
    const requests = await generateMany(api, 500, { atOnce: 32, more: { model: OTHER } });
    const others = await generateMany(another, 3, { more: { model: OTHER } });
    await untilTrue("the model is paused, and it is said why", 10_000, () =>
      isPausedFor(stack, OTHER, "refused"),
    );
    await simulator.set({ fault_rates: { "404": 1 } });
    await Bun.sleep(PATIENCE_MS);
    const waiting = await api.status(requests[499]?.request_id ?? "");
    await simulator.set({ fault_rates: {} });

    await expectAllComplete(api, requests);
    await expectAllComplete(another, others);

    expect(waiting).toMatchObject({ status: "queued", attempts: 0 });
  },
  LIMIT_MS,
);

test(
  "behind 1,600 requests of another user a lone one starts within a few services' time",
  async (stack) => {
    const flooding = stack.api(await stack.addUser());
    const lone = stack.api(await stack.addUser());
    await stack.simulatorOf(OTHER).set({ ttft_ms: 1_000 });
    const flood = await generateMany(flooding, 1_600, { atOnce: 32, more: { model: OTHER } });

    const ended = await runOne(lone, OTHER);

    expect(ended.status).toBe("completed");
    // The flood takes 100 s; without a turn of its own it would start after that.
    expect(tookMs(ended)).toBeLessThan(20_000);
    await stack.simulatorOf(OTHER).set({ ttft_ms: 0 });
    await expectAllComplete(flooding, flood);
  },
  LIMIT_MS,
);

test(
  "a retry goes ahead of the 1,600 that came later",
  async (stack) => {
    const api = stack.api(await stack.addUser());
    await stack.simulatorOf(OTHER).set({ ttft_ms: 300 });
    const prompt = "once [[sim:fail-times:1]]";
    const first = await api.generate({ prompt, max_tokens: 16, model: OTHER });
    const later = await generateMany(api, 1_600, { atOnce: 32, more: { model: OTHER } });

    const ended = await api.untilEnded(first.request_id);

    expect([ended.status, ended.attempts]).toEqual(["completed", 2]);
    await stack.simulatorOf(OTHER).set({ ttft_ms: 0 });
    const ends = await expectAllComplete(api, later);
    // By order and not by time: all of them take a slow machine's time.
    const isBefore = ({ completed_at: at = "" }: StatusReply): boolean =>
      at < (ended.completed_at ?? "");
    expect(ends.filter(isBefore).length).toBeLessThan(ends.length / 2);
  },
  LIMIT_MS,
);
