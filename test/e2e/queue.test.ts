/**
 * Nobody waits for somebody else's trouble: what once delayed people by minutes, or failed what could wait.
 * Bounds are loose enough for a slow machine, and far below what each took when it was wrong.
 */
import { expect } from "bun:test";

import type { AcceptedReply, StatusReply } from "../../gateway/http/schemas.ts";
import { parseMetrics, sumOf } from "../../local/observe/prometheus-text.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { Api } from "../support/stack/api.ts";
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
const AS_IF_ALONE_MS = 3_000;
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

async function callsOf(stack: TestStack, model: string): Promise<number> {
  return (await stack.simulatorOf(model).stats()).calls;
}

async function isPausedFor({ workers }: TestStack, model: string, cause: string): Promise<boolean> {
  for (const { metricsUrl } of workers) {
    const text = await (await fetch(metricsUrl)).text();
    if (sumOf(parseMetrics(text), "model_paused", { model, cause }) > 0) return true;
  }
  return false;
}

test(
  "a user whose prompts make the ML service fail delays no other user of the model",
  async (stack) => {
    const failing = stack.api(await stack.addUser());
    const other = stack.api(await stack.addUser());
    const wish = { prompt: "[[sim:500]]", max_tokens: 16, queue_ttl: 20 };
    let posted = 0;
    const flood = setInterval(() => {
      posted += 1;
      failing.post(wish).catch(() => {});
    }, 50);
    const ends: StatusReply[] = [];
    for (let second = 0; second < 12; second += 1) {
      const [ended] = await Promise.all([runOne(other, HEALTHY), Bun.sleep(1_000)]);
      ends.push(ended);
    }
    clearInterval(flood);

    expect(posted).toBeGreaterThan(100);
    expect(ends.map(({ status }) => status)).toEqual(ends.map(() => "completed"));
    expect(Math.max(...ends.map(tookMs))).toBeLessThan(AS_IF_ALONE_MS);
    // Those that had no turn expire, so that the next test finds nothing waiting.
    await stack.books.untilQuiet(60_000);
  },
  LIMIT_MS,
);

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
  "a few requests wait for an ML service that is away longer than all attempts would take",
  async (stack) => {
    const api = stack.api(await stack.addUser());
    await stack.component(`simulator-${OTHER}`).kill();
    const requests = await generateMany(api, 3, { more: { model: OTHER } });

    await Bun.sleep(PATIENCE_MS);
    for (const { request_id: requestId } of requests)
      expect((await api.status(requestId)).status).toBe("queued");

    await stack.component(`simulator-${OTHER}`).start();
    await expectAllComplete(api, requests);
  },
  LIMIT_MS,
);

test(
  "a Retry-After is waited for in full, however short the pauses and however few the attempts",
  async (stack) => {
    const api = stack.api(await stack.addUser());
    const simulator = stack.simulatorOf(OTHER);
    await simulator.set({ fault_rates: { "429": 1 }, retry_after_seconds: 6 });
    const before = await callsOf(stack, OTHER);
    const [request] = await generateMany(api, 1, { more: { model: OTHER } });
    await untilTrue("it was refused", 5_000, async () => (await callsOf(stack, OTHER)) > before);
    const refusedAtMs = Date.now();
    await simulator.set({ fault_rates: {} });

    const ended = await api.untilEnded(request?.request_id ?? "");

    expect([ended.status, ended.attempts]).toEqual(["completed", 1]);
    const waitedMs = Date.parse(ended.completed_at ?? "") - refusedAtMs;
    // What was refused was seen a moment after it was.
    expect(waitedMs).toBeWithin(5_700, 9_000);
    expect(await callsOf(stack, OTHER)).toBe(before + 2);
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
    // It starts within two services and two seconds more, on the slowest machine; then its own service.
    expect(tookMs(ended)).toBeLessThan(5_000);
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
    expect(tookMs(ended)).toBeLessThan(AS_IF_ALONE_MS);
    await stack.simulatorOf(OTHER).set({ ttft_ms: 0 });
    await expectAllComplete(api, later);
  },
  LIMIT_MS,
);
