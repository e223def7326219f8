import { expect } from "bun:test";

import { createLanes } from "../../adapters/redis/lanes.ts";
import type { StatusReply } from "../../gateway/http/schemas.ts";
import { eventually } from "../../local/stack/eventually.ts";
import type { Api } from "../../history/api.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";

/** One call at a time, so that what is posted together waits. */
const test = testsOnStack({
  ownSimulators: ["lone"],
  settings: {
    models: { "sim-chat": { concurrency_max: 1, timeout_ms: 5_000 } },
    retry: { delays_ms: [3_000] },
    tiers: { unlimited: { priority_max: "high" } },
  },
});
const SLOW_MS = 400;

/** Posts requests that take `SLOW_MS` each, one after the other; returns their ids. */
async function postSlow(api: Api, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const prompt = `number ${index} [[sim:slow:${SLOW_MS}]]`;
    ids.push((await api.generate({ prompt, max_tokens: 8 })).request_id);
  }
  return ids;
}

/** Before the dispatcher has spoken everything is published at once, so that nothing waits for its turn. */
async function untilDispatched(stack: TestStack, api: Api): Promise<void> {
  const lanes = createLanes(stack.books.redis);
  await eventually("the dispatcher speaks", 10_000, () => lanes.readView());
  // The gateway has read that before this one has ended.
  await endsOf(api, await postSlow(api, 1));
}

async function endsOf(api: Api, ids: readonly string[]): Promise<StatusReply[]> {
  return Promise.all(ids.map((id) => api.untilEnded(id)));
}

const completedAtMs = ({ completed_at: at }: StatusReply): number => Date.parse(at ?? "");

async function expectAllBooked(stack: TestStack): Promise<void> {
  await stack.books.untilQuiet();
  const { differences, holdsOpen } = await stack.books.audit();
  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
}

test("what waits behind its user's own says how many go first, and later fewer", async (stack) => {
  const api = stack.api(await stack.addUser());
  await untilDispatched(stack, api);
  const ids = await postSlow(api, 8);
  const last = ids.at(-1) ?? "";

  const first = await eventually("the last one waits for its user's own", 10_000, async () => {
    const status = await api.status(last);
    return status.waiting?.reason === "own_requests_ahead" ? status.waiting : undefined;
  });
  const later = await eventually("fewer go first", 10_000, async () => {
    const { status, waiting } = await api.status(last);
    return status !== "queued" || (waiting?.ahead ?? 0) < first.ahead ? { waiting } : undefined;
  });
  const ends = await endsOf(api, ids);

  expect(first.ahead).toBeWithin(1, 8);
  expect(later.waiting?.reason ?? "own_requests_ahead").toMatch(/own_requests_ahead|fair_share/);
  expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(["completed"]));
  // In the order of posting.
  const order = ends.map(completedAtMs);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  await expectAllBooked(stack);
});

test("an urgent request goes before what its user has waiting", async (stack) => {
  const api = stack.api(await stack.addUser());
  const ids = await postSlow(api, 16);

  const urgent = await api.generate({ prompt: "now", max_tokens: 8, priority: "high" });
  const [urgentEnd, ...ends] = await endsOf(api, [urgent.request_id, ...ids]);

  const before = ends.filter((end) => completedAtMs(end) < completedAtMs(urgentEnd as StatusReply));
  expect(urgentEnd?.status).toBe("completed");
  // Some may have ended before it came; those that wait behind it are the last ones of all.
  expect(before.length).toBeLessThan(13);
});

test("a request with a deadline goes before older ones, and expires unbilled after it", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);
  const ids = await postSlow(api, 8);
  const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();

  const early = await api.generate({ prompt: "early", max_tokens: 8, deadline: inMs(60_000) });
  const late = await api.generate({ prompt: "late", max_tokens: 8, deadline: inMs(300) });
  const [earlyEnd, lateEnd, ...ends] = await endsOf(
    api,
    [early, late].map((r) => r.request_id).concat(ids),
  );

  expect(earlyEnd?.status).toBe("completed");
  expect(completedAtMs(earlyEnd as StatusReply)).toBeLessThan(Math.max(...ends.map(completedAtMs)));
  expect(lateEnd).toMatchObject({
    status: "expired",
    attempts: 0,
    error: { code: "QUEUE_TTL_PASSED" },
    tokens: { total: null },
  });
  await expectAllBooked(stack);
});

test("between attempts the status says what the first met, and when the next is due", async (stack) => {
  const api = stack.api(await stack.addUser());
  const { request_id: id } = await api.generate({ prompt: "once [[sim:fail-times:1]]" });

  const between = await eventually("the first attempt has failed", 10_000, async () => {
    const status = await api.status(id);
    return status.waiting?.reason === "between_attempts" ? status : undefined;
  });
  const end = await api.untilEnded(id);

  expect(between).toMatchObject({
    status: "queued",
    attempts: 1,
    last_error: { code: "UPSTREAM_FAILED" },
  });
  const dueInMs = Date.parse(between.next_attempt_at ?? "") - Date.now();
  expect(Date.parse(between.started_at ?? "")).toBeLessThan(Date.now());
  expect(dueInMs).toBeLessThan(3_000);
  expect(between.waiting?.starts_in_seconds).toBeWithin(0, 4);
  expect(end).toMatchObject({ status: "completed", attempts: 2 });
  expect(end.last_error).toBeUndefined();
});

test("what waits for a service that is down says so, and completes when it is back", async (stack) => {
  const api = stack.api(await stack.addUser());
  const simulator = stack.component("simulator-lone");
  await simulator.kill();
  const first = await api.generate({ model: "lone", prompt: "hello", max_tokens: 8 });

  const waiting = await eventually("its model is known to be down", 15_000, async () => {
    const { waiting: why } = await api.status(first.request_id);
    return why?.reason === "model_unavailable" ? why : undefined;
  });
  const second = await api.generate({ model: "lone", prompt: "hello again", max_tokens: 8 });
  const { body: list } = await api.call<{ data: StatusReply[] }>("/requests?status=queued");
  await simulator.start();
  const ends = await endsOf(api, [first.request_id, second.request_id]);

  const unreachable = { code: "UPSTREAM_UNREACHABLE" };
  expect(waiting).toMatchObject({ starts_in_seconds: null, last_error: unreachable });
  expect(second.waiting).toMatchObject({ reason: "model_unavailable", last_error: unreachable });
  expect(list.data.map((request) => request.waiting?.reason)).toEqual([
    "model_unavailable",
    "model_unavailable",
  ]);
  expect(ends.map(({ status, attempts }) => ({ status, attempts }))).toEqual([
    { status: "completed", attempts: 1 },
    { status: "completed", attempts: 1 },
  ]);
  await expectAllBooked(stack);
});

test("what no worker has the key for says so at once, and completes when one has", async (stack) => {
  const api = stack.api(await stack.addUser());
  const wish = { model: "sim-json", prompt: "hello", max_tokens: 8 };
  await stack.configure({ models: { "sim-json": { api_key_env: "NO_SUCH_VARIABLE" } } });

  const accepted = await eventually("the workers lack the key", 15_000, async () => {
    const reply = await api.generate(wish);
    return reply.waiting?.reason === "no_worker" ? reply : undefined;
  });
  const { status, waiting } = await api.status(accepted.request_id);
  await stack.configure({});
  const end = await api.untilEnded(accepted.request_id);

  expect({ status, reason: waiting?.reason }).toEqual({ status: "queued", reason: "no_worker" });
  expect(end).toMatchObject({ status: "completed", attempts: 1 });
  await expectAllBooked(stack);
});
