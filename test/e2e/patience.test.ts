import { expect } from "bun:test";

import type { StatusReply } from "../../gateway/http/schemas.ts";
import { eventually, untilTrue } from "../../local/stack/eventually.ts";
import type { Api } from "../../history/api.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";

const QUICK = { timeout_ms: 2_000, breaker_open_ms: 300, breaker_open_max_ms: 2_000 };

/** Two workers; each model that a test makes ill is its own and at a simulator of its own. */
const test = testsOnStack({
  workers: 2,
  ownSimulators: ["dead", "slow", "busy", "refusing", "flapping"],
  settings: {
    models: {
      dead: QUICK,
      slow: { ...QUICK, concurrency_max: 1, timeout_ms: 20_000 },
      busy: QUICK,
      refusing: QUICK,
      flapping: QUICK,
    },
  },
});

/** Far more than a slow machine needs, far less than the minutes that it took with others in the way. */
const AS_IF_ALONE_MS = 6_000;

const short = (model: string, prompt: string) => ({ model, prompt, max_tokens: 8 });

async function post(api: Api, model: string, count: number): Promise<string[]> {
  const prompts = Array.from({ length: count }, (_, index) => `${model} ${index}`);
  const accepted = await Promise.all(prompts.map((prompt) => api.generate(short(model, prompt))));
  return accepted.map(({ request_id: id }) => id);
}

const endsOf = (api: Api, ids: readonly string[], withinMs?: number): Promise<StatusReply[]> =>
  Promise.all(ids.map((id) => api.untilEnded(id, withinMs)));

/** How long a request of the healthy model takes, from its post to its end. */
async function serveMs(api: Api): Promise<number> {
  const startedAtMs = performance.now();
  const { request_id: id } = await api.generate(short("sim-chat", "hello"));
  const { status } = await api.untilEnded(id);
  expect(status).toBe("completed");
  return performance.now() - startedAtMs;
}

async function expectAllBooked(stack: TestStack): Promise<void> {
  await stack.books.untilQuiet();
  const { differences, holdsOpen } = await stack.books.audit();
  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
}

test("a user whose prompts fail the model slows nobody else at that model (Q1)", async (stack) => {
  const [failing, well] = [stack.api(await stack.addUser()), stack.api(await stack.addUser())];
  const failed: string[] = [];
  const servedMs: number[] = [];

  for (let round = 0; round < 12; round += 1) {
    const prompts = Array.from({ length: 5 }, (_, index) => `[[sim:500]] ${round} ${index}`);
    const accepted = prompts.map((prompt) => failing.generate(short("sim-chat", prompt)));
    failed.push(...(await Promise.all(accepted)).map(({ request_id: id }) => id));
    servedMs.push(await serveMs(well));
  }

  expect(Math.max(...servedMs)).toBeLessThan(AS_IF_ALONE_MS);
  await Promise.all(failed.map((id) => failing.call(`/requests/${id}/cancel`, { method: "POST" })));
  await endsOf(failing, failed);
  await expectAllBooked(stack);
});

test("a backlog of a dead model and one of a slow model delay no other model (Q2, Q3)", async (stack) => {
  const [busy, lone] = [stack.api(await stack.addUser()), stack.api(await stack.addUser())];
  await stack.component("simulator-dead").kill();
  await stack.simulatorOf("slow").set({ ttft_ms: 1_000 });
  const waiting = [...(await post(busy, "dead", 150)), ...(await post(busy, "slow", 150))];

  const servedMs: number[] = [];
  for (let round = 0; round < 10; round += 1) servedMs.push(await serveMs(lone));

  expect(Math.max(...servedMs)).toBeLessThan(AS_IF_ALONE_MS);
  await stack.component("simulator-dead").start();
  await stack.simulatorOf("slow").set({ ttft_ms: 0 });
  const ends = await endsOf(busy, waiting);
  expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(["completed"]));
  await expectAllBooked(stack);
});

test("few requests outlast a service that is away for longer than all retries take (Q4)", async (stack) => {
  const api = stack.api(await stack.addUser());
  await stack.component("simulator-flapping").kill();
  const ids = await post(api, "flapping", 3);
  // Four attempts, as they were counted before, took 1.4 s at most.
  const untilMs = performance.now() + 6_000;

  await untilTrue("time passes", 10_000, async () => performance.now() > untilMs);
  const waiting = await Promise.all(ids.map((id) => api.status(id)));
  await stack.component("simulator-flapping").start();
  const ends = await endsOf(api, ids);

  for (const status of waiting) {
    expect(status).toMatchObject({ status: "queued", attempts: 0 });
    expect(status.waiting?.reason).toBe("model_unavailable");
  }
  for (const end of ends) expect(end).toMatchObject({ status: "completed", attempts: 1 });
  await expectAllBooked(stack);
});

test("a service that says when to come back is not asked before (Q5)", async (stack) => {
  const api = stack.api(await stack.addUser());
  const simulator = stack.simulatorOf("busy");
  await simulator.set({ fault_rates: { "429": 1 }, retry_after_seconds: 5 });
  const [id = ""] = await post(api, "busy", 1);
  await untilTrue("it is asked", 10_000, async () => (await simulator.stats()).calls > 0);
  const askedAtMs = performance.now();
  await simulator.set({ fault_rates: {} });
  const { waiting, last_error: lastError } = await eventually("it waits", 5_000, async () => {
    const status = await api.status(id);
    return status.waiting?.reason === "user_paused" ? status : undefined;
  });

  const end = await api.untilEnded(id);

  const waitedMs = performance.now() - askedAtMs;
  expect(end).toMatchObject({ status: "completed", attempts: 1 });
  expect((await simulator.stats()).calls).toBe(2);
  expect(waitedMs).toBeWithin(4_500, 20_000);
  expect(waiting?.last_error?.code).toBe("UPSTREAM_BUSY");
  expect(lastError?.code).toBe("UPSTREAM_BUSY");
  await expectAllBooked(stack);
});

test("a service that refuses our credential, then our model, fails nobody's request (Q6)", async (stack) => {
  const users = [stack.api(await stack.addUser()), stack.api(await stack.addUser())];
  const simulator = stack.simulatorOf("refusing");
  await simulator.set({ fault_rates: { "401": 1 } });
  const ids = await Promise.all(users.map((api) => post(api, "refusing", 40)));
  const reasonOf = async (code: string): Promise<void> => {
    await untilTrue(`it says ${code}`, 10_000, async () => {
      const { waiting } = (await users[0]?.status(ids[0]?.at(-1) ?? "")) ?? {};
      return waiting?.reason === "model_unavailable" && waiting.last_error?.code === code;
    });
  };
  await reasonOf("UPSTREAM_REFUSED");
  const { calls } = await simulator.stats();

  await simulator.set({ fault_rates: { "404": 1 } });
  await untilTrue("it is tried again", 10_000, async () => {
    return (await simulator.stats()).calls > calls;
  });
  await reasonOf("UPSTREAM_REFUSED");
  const { calls: inVain } = await simulator.stats();
  await simulator.set({ fault_rates: {} });
  const ends = await Promise.all(users.map((api, index) => endsOf(api, ids[index] ?? [])));

  for (const end of ends.flat()) expect(end).toMatchObject({ status: "completed", attempts: 1 });
  // Those under way when the first replies came, and then one at a time; not all 80 again and again.
  expect(inVain).toBeLessThan(2 * 80);
  await expectAllBooked(stack);
});
