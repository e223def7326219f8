import { expect } from "bun:test";

import { dayOf } from "../../core/quota/windows.ts";
import { concurrently } from "../support/stack/crowd.ts";
import { eventually } from "../../local/stack/eventually.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";

const test = testsOnStack({ gateways: 2, workers: 2 });

const CLIENTS = 500;
const DAY_MS = 86_400_000;
const wish = { prompt: "one of many", max_tokens: 32 };

async function expectBooksAgree(stack: TestStack): Promise<void> {
  await stack.books.untilQuiet();
  const { differences, holdsOpen } = await stack.books.audit();
  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
}

async function withoutWorkers(stack: TestStack, act: () => Promise<void>): Promise<void> {
  await Promise.all(stack.workers.map((worker) => worker.terminate()));
  try {
    await act();
  } finally {
    await Promise.all(stack.workers.map((worker) => worker.start()));
  }
}

/** Tokens of one request's hold. */
async function estimateOf(stack: TestStack): Promise<number> {
  const api = stack.api(await stack.addUser());
  return (await api.generate(wish)).estimated_tokens;
}

for (const fits of [1, 50])
  test(`of ${CLIENTS} requests at once on two gateways exactly ${fits} are admitted`, async (stack) => {
    const estimate = await estimateOf(stack);
    // One token short of one more.
    const user = await stack.addUser({ daily: { tokens: estimate * (fits + 1) - 1 } });
    const apis = [stack.api(user, 0), stack.api(user, 1)];

    await withoutWorkers(stack, async () => {
      const replies = await concurrently(CLIENTS, CLIENTS, (index) => {
        const api = apis[index % 2];
        if (api === undefined) throw new Error("there is no such gateway");
        return api.post(wish, { timeoutMs: 20_000 });
      });
      const statuses = replies.map(({ status }) => status);
      expect(statuses.filter((status) => status === 202)).toHaveLength(fits);
      expect(statuses.filter((status) => status === 429)).toHaveLength(CLIENTS - fits);
    });
    await expectBooksAgree(stack);
  });

test("no more requests than the cap are open at once, however many come", async (stack) => {
  const user = await stack.addUser({ concurrentRequests: 7 });

  await withoutWorkers(stack, async () => {
    const replies = await concurrently(100, 100, (index) => stack.api(user, index % 2).post(wish));
    expect(replies.filter(({ status }) => status === 202)).toHaveLength(7);
  });
  await expectBooksAgree(stack);
});

test("usage above the estimate is charged in full, and the next request is refused", async (stack) => {
  // The simulator counts a token per four characters, the tokenizer few for a run of blanks: the estimate is
  // too low.
  const prompt = " ".repeat(4_000);
  const user = await stack.addUser({ daily: { tokens: 500 } });
  const api = stack.api(user);

  const accepted = await api.generate({ prompt, max_tokens: 16 });
  const ended = await api.untilEnded(accepted.request_id);
  await stack.books.untilQuiet();
  const refused = await api.post(wish);

  expect(ended.tokens.total ?? 0).toBeGreaterThan(500);
  expect(ended.tokens.refunded ?? 0).toBeLessThan(0);
  expect(refused.status).toBe(429);
  await expectBooksAgree(stack);
});

test("100 calls at once with one Idempotency-Key are one request, charged once", async (stack) => {
  const user = await stack.addUser();
  const idempotencyKey = crypto.randomUUID();

  const replies = await concurrently(100, 100, (index) =>
    stack.api(user, index % 2).generate(wish, { idempotencyKey }),
  );
  await stack.api(user).untilEnded(replies[0]?.request_id ?? "");
  await expectBooksAgree(stack);

  expect(new Set(replies.map(({ request_id: id }) => id)).size).toBe(1);
  const snapshot = await stack.books.quota.read(user.userId);
  expect(snapshot?.windows.daily.used.requests).toBe(1);
});

test("an Idempotency-Key holds through a restart of the gateways and a flush of Redis", async (stack) => {
  const user = await stack.addUser();
  const idempotencyKey = crypto.randomUUID();
  const first = await stack.api(user).generate(wish, { idempotencyKey });

  await Promise.all(stack.gateways.map((gateway) => gateway.kill()));
  await stack.books.redis.run(({ client }) => client.flushdb());
  await Promise.all(stack.gateways.map((gateway) => gateway.start()));
  const again = await stack.api(user, 1).generate(wish, { idempotencyKey });
  const other = await stack.api(user, 1).post({ ...wish, prompt: "another" }, { idempotencyKey });

  expect(again.request_id).toBe(first.request_id);
  expect({ status: other.status, code: other.body.code }).toEqual({
    status: 422,
    code: "IDEMPOTENCY_MISMATCH",
  });
  await stack.api(user, 1).untilEnded(first.request_id);
  await expectBooksAgree(stack);
});

test("a hold of yesterday is billed to yesterday, and today stays untouched", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);
  const { database, quota } = stack.books;
  const yesterday = dayOf(Date.now() - DAY_MS);

  await withoutWorkers(stack, async () => {
    const { request_id: requestId } = await api.generate(wish);
    await database.run(
      "move a request to yesterday",
      (sql) =>
        sql`update requests set window_day = ${yesterday}::date where request_id = ${requestId}`,
    );
    // When Redis loads the user anew, it takes the hold from the windows of the hold's day.
    await quota.forget(user.userId);
    await api.generate({ ...wish, prompt: "of today" });
  });
  await expectBooksAgree(stack);

  const days = await eventually("both are billed", 5_000, async () => {
    const rows = await database.run(
      "read the ledger by day",
      (sql) => sql<{ day: string; requests: number }[]>`
        select window_day as day, count(*) as requests
        from token_logs
        where user_id = ${user.userId}
        group by window_day
        order by window_day`,
    );
    return rows.length === 2 ? rows.map(({ day, requests }) => ({ day, requests })) : undefined;
  });
  expect(days).toEqual([
    { day: yesterday, requests: 1 },
    { day: dayOf(Date.now()), requests: 1 },
  ]);
  const snapshot = await quota.read(user.userId);
  expect(snapshot?.windows.daily.used.requests).toBe(1);
});
