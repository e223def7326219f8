import { expect } from "bun:test";

import { queueDepths } from "../../adapters/amqp/inspect.ts";
import { setQuota } from "../support/postgres.ts";
import type { AcceptedReply } from "../../gateway/http/schemas.ts";
import { generateMany, untilAllEnded } from "../support/stack/crowd.ts";
import { deleteQueues } from "../../local/stack/delete-queues.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";

const test = testsOnStack({ gateways: 2 });

async function metric(stack: TestStack, gateway: number, line: string): Promise<number> {
  const text = (await stack.gateways[gateway]?.readMetrics()) ?? "";
  const found = text.split("\n").find((one) => one.startsWith(line));
  return Number(found?.split(" ").at(-1) ?? 0);
}

async function expectAllBooked(stack: TestStack): Promise<void> {
  await stack.books.untilQuiet();
  const { differences, holdsOpen } = await stack.books.audit();
  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
}

test("a long-poll on any gateway is woken when the request ends", async (stack) => {
  const user = await stack.addUser();
  const wakeups = 'gateway_wakeups_total{by="announcement"}';
  const before = await metric(stack, 1, wakeups);
  const accepted = await stack.api(user, 0).generate({ prompt: "wait [[sim:slow:400]]" });

  const ended = await stack.api(user, 1).status(accepted.request_id, 20);

  const lateMs = Date.now() - Date.parse(ended.completed_at ?? "");
  expect(ended.status).toBe("completed");
  expect(await metric(stack, 1, wakeups)).toBe(before + 1);
  // Not at the end of its wait.
  expect(lateMs).toBeLessThan(10_000);
});

test("a long-poll whose wait is over returns the present state and when to call again", async (stack) => {
  const api = stack.api(await stack.addUser());
  const accepted = await api.generate({ prompt: "wait longer [[sim:slow:1500]]" });

  const reply = await api.call<{ status: string }>(`/status/${accepted.request_id}?wait=1`);

  expect(reply.body.status).toMatch(/^(queued|in_progress)$/);
  expect(Number(reply.headers.get("retry-after"))).toBeGreaterThan(0);
  await api.untilEnded(accepted.request_id);
});

test("a changed configuration takes effect without a restart, a bad one is refused", async (stack) => {
  const api = stack.api(await stack.addUser());
  const wish = { prompt: "short", max_tokens: 64 };
  expect((await api.post(wish)).status).toBe(202);

  await stack.configure({
    models: { "sim-chat": { output_tokens_max: 32, output_tokens_default: 16 } },
  });
  await untilTrue("the lower cap is in force", 5_000, async () => {
    const { status } = await api.post(wish);
    return status === 422;
  });
  await stack.configure({ models: { "sim-chat": { output_tokens_max: -1 } } });
  await untilTrue("the bad file was refused", 5_000, () =>
    stack.gateways.every((gateway) => gateway.log().includes("the old one stays")),
  );
  expect((await api.post(wish)).status).toBe(422);

  await stack.configure({});
  await untilTrue("the first configuration is back", 5_000, async () => {
    const { status } = await api.post(wish);
    return status === 202;
  });
  await expectAllBooked(stack);
});

test("a changed retry schedule needs no restart: its delay queue is used and counted", async (stack) => {
  const api = stack.api(await stack.addUser());
  const queue = `${stack.books.queues.requests.name}.wait.3000`;
  const depth = async (): Promise<number> =>
    (await queueDepths(stack.books.broker, [queue])).get(queue)?.ready ?? 0;
  const workerLog = (): string => stack.workers[0]?.log() ?? "";
  const logged = workerLog().length;
  await stack.configure({ retry: { attempts_max: 2, delays_ms: [3_000] } });
  await untilTrue("the worker has read it", 5_000, () =>
    workerLog().slice(logged).includes("configuration reloaded"),
  );

  const accepted = await api.generate({ prompt: "fail each time [[sim:500]]" });
  await untilTrue(
    "the request waits in the new delay queue",
    5_000,
    async () => (await depth()) === 1,
  );
  await untilTrue("the keeper counts it", 10_000, async () => {
    const text = await stack.collectors[0]?.readMetrics();
    return text?.includes(`queue_depth{queue="${queue}"}`) === true;
  });
  const ended = await api.status(accepted.request_id, 20);

  expect(ended).toMatchObject({ status: "failed", attempts: 2 });
  await stack.configure({});
  await expectAllBooked(stack);
  await deleteQueues(stack.books.broker.withChannel, [{ name: queue, exchange: queue }]);
});

test("changed tiers hold at once also for a user who was admitted before", async (stack) => {
  const user = await stack.addUser();
  const asTheTierSays = { tier: "unlimited", requests: null, tokens: null };
  const daily = { userId: user.userId, window: "daily" as const };
  await setQuota(stack.books.database, { ...daily, ...asTheTierSays });
  const api = stack.api(user);
  expect((await api.post({ prompt: "before", max_tokens: 16 })).status).toBe(202);

  await stack.configure({ tiers: { unlimited: { daily: { requests: 1 } } } });

  await untilTrue("the new tier is in force", 15_000, async () => {
    const { status } = await api.post({ prompt: "after", max_tokens: 16 });
    return status === 429;
  });
  await stack.configure({});
  await untilTrue("the first tiers are back", 15_000, async () => {
    const { status } = await api.post({ prompt: "again", max_tokens: 16 });
    return status === 202;
  });
  await expectAllBooked(stack);
});

test("a gateway that is told to stop finishes what it took and exits in order", async (stack) => {
  const [stopping] = stack.gateways;
  if (stopping === undefined) throw new Error("there is no gateway");
  const user = await stack.addUser();
  const api = stack.api(user, 0);
  const accepted: AcceptedReply[] = [];
  const refusals: number[] = [];
  const over = new AbortController();
  const post = async (): Promise<void> => {
    while (!over.signal.aborted) {
      // Once it has gone, nobody listens: the call gets no response, and nothing is lost by that.
      const reply = await api.post({ prompt: "drain", max_tokens: 16 }).catch(() => undefined);
      if (reply === undefined) return;
      if (reply.status === 202) accepted.push(reply.body as AcceptedReply);
      else refusals.push(reply.status);
    }
  };
  const clients = Array.from({ length: 8 }, post);
  await untilTrue("the load runs", 5_000, () => accepted.length > 50);

  const exitCode = await stopping.terminate();
  over.abort();
  await Promise.all(clients);

  expect(exitCode).toBe(0);
  expect(new Set(refusals)).toEqual(new Set(refusals.length > 0 ? [503] : []));
  const ends = await untilAllEnded(stack.api(user, 1), accepted);
  expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(["completed"]));
  await stopping.start();
  await expectAllBooked(stack);
});

test("a worker that is told to stop finishes its attempts first", async (stack) => {
  const [worker] = stack.workers;
  if (worker === undefined) throw new Error("there is no worker");
  const api = stack.api(await stack.addUser());
  const accepted = await api.generate({ prompt: "in the middle [[sim:slow:1000]]" });
  await untilTrue("the attempt has begun", 5_000, async () => {
    const { status } = await api.status(accepted.request_id);
    return status === "in_progress";
  });

  const exitCode = await worker.terminate();

  const ended = await api.untilEnded(accepted.request_id);
  expect({ exitCode, status: ended.status, attempts: ended.attempts }).toEqual({
    exitCode: 0,
    status: "completed",
    attempts: 1,
  });
  await worker.start();
});

test("an attempt that outlasts the grace of its worker does not count against its request", async (stack) => {
  const [worker] = stack.workers;
  if (worker === undefined) throw new Error("there is no worker");
  await worker.terminate();
  await worker.start({ TOLLGATE_WORKER__GRACE_MS: "200" });
  const api = stack.api(await stack.addUser());
  const accepted = await api.generate({ prompt: "longer than the grace [[sim:slow:1500]]" });
  await untilTrue("the attempt has begun", 5_000, async () => {
    const { status } = await api.status(accepted.request_id);
    return status === "in_progress";
  });

  const exitCode = await worker.terminate();

  const [message] = await stack.books.messages("inference_requests");
  expect({ exitCode, id: message?.messageId, deliveryCount: message?.deliveryCount }).toEqual({
    exitCode: 0,
    id: accepted.request_id,
    deliveryCount: 0,
  });
  await worker.start();
  expect(await api.untilEnded(accepted.request_id)).toMatchObject({
    status: "completed",
    attempts: 1,
  });
});

test("a collector that is told to stop leaves nothing half done", async (stack) => {
  const [collector] = stack.collectors;
  if (collector === undefined) throw new Error("there is no collector");
  const api = stack.api(await stack.addUser());
  const posting = generateMany(api, 200);

  const exitCode = await collector.terminate();
  await collector.start();

  expect(exitCode).toBe(0);
  await untilAllEnded(api, await posting);
  await expectAllBooked(stack);
});

test("2,000 requests posted 64 at a time all complete, and the books agree", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);

  const accepted = await generateMany(api, 2_000, { atOnce: 64 });
  const ends = await untilAllEnded(api, accepted);
  await expectAllBooked(stack);

  expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(["completed"]));
  const billed = ends.reduce((sum, { tokens }) => sum + (tokens.total ?? 0), 0);
  const snapshot = await stack.books.quota.read(user.userId);
  expect(snapshot?.windows.daily.used).toEqual({ requests: 2_000, tokens: billed });
});
