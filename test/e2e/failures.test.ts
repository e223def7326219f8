import { expect } from "bun:test";

import { setQuota } from "../../adapters/postgres/quotas.ts";
import { APPLIED_TIERS_KEY } from "../../adapters/redis/keys.ts";
import { dayOf, windowEndMs } from "../../core/quota/windows.ts";
import type { QuotaReply, UsageReply } from "../../gateway/http/schemas.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { Api, Problem } from "../../history/api.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";
import type { TestUser } from "../support/stack/users.ts";

const test = testsOnStack();

/** Its reply is longer than any may be: executed once, and not to be retried. */
const IN_VAIN = { prompt: "[[sim:huge:5000000]]", max_tokens: 16 };
/** Fails as often as it is tried. */
const ALWAYS_500 = { prompt: "[[sim:500]]", max_tokens: 16 };
/** Of the quick settings. */
const ATTEMPTS_MAX = 4;

async function expectAllBooked(stack: TestStack): Promise<void> {
  await stack.books.untilQuiet();
  const { differences, holdsOpen } = await stack.books.audit();
  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
}

/** Posts one after the other, each when the one before has ended; returns the states and the codes. */
async function postInTurns(api: Api, body: unknown, times: number): Promise<string[]> {
  const outcomes: string[] = [];
  for (let i = 0; i < times; i += 1) {
    const { body: reply } = await api.post(body);
    const { request_id: requestId } = reply;
    outcomes.push(
      requestId === undefined ? String(reply.code) : (await api.untilEnded(requestId)).status,
    );
  }
  return outcomes;
}

function ledgerOf({ books }: TestStack, { userId }: TestUser) {
  return books.database.run(
    "read the ledger of a user",
    (sql) => sql<{ kind: string; tokens: number; executions: number; failed: number }[]>`
      select usage_source as kind, total_tokens as tokens, executions, failed_executions as failed
      from token_logs
      where user_id = ${userId}`,
  );
}

test("requests that fail stay counted: of thirty with room for five, five are executed", async (stack) => {
  const user = await stack.addUser({ daily: { requests: 5 } });
  const api = stack.api(user);
  const { calls: callsBefore } = await stack.simulator.stats();

  const outcomes = await postInTurns(api, IN_VAIN, 30);
  await stack.books.untilQuiet();

  const repeat = (times: number, what: string) => Array<string>(times).fill(what);
  expect(outcomes).toEqual([...repeat(5, "failed"), ...repeat(25, "QUOTA_EXCEEDED")]);
  expect((await stack.simulator.stats()).calls - callsBefore).toBe(5);
  const { windows } = (await api.call<QuotaReply>("/quota")).body;
  expect(windows.daily).toMatchObject({
    requests: { limit: 5, used: 5, held: 0, remaining: 0 },
    tokens: { used: 0, held: 0 },
    failed_executions: { used: 5 },
  });
  const { total } = (await api.call<UsageReply>("/usage")).body;
  expect(total).toMatchObject({ requests: 0, failed_requests: 5, total_tokens: 0 });
  const row = { kind: "failed", tokens: 0, executions: 1, failed: 1 };
  expect([...(await ledgerOf(stack, user))]).toEqual([row, row, row, row, row]);
  await expectAllBooked(stack);
});

test("executions that fail are bounded until the window ends, whatever Redis loses", async (stack) => {
  const tiers = { unlimited: { daily: { failed_executions: ATTEMPTS_MAX + 1 } } };
  await stack.configure({ tiers });
  const user = await stack.addUser();
  const api = stack.api(user);
  await untilTrue("the gateway has read the tier", 5_000, async () => {
    await stack.books.quota.forget(user.userId);
    const { windows } = (await api.call<QuotaReply>("/quota")).body;
    return windows.daily.failed_executions.limit === ATTEMPTS_MAX + 1;
  });

  const outcomes = await postInTurns(api, ALWAYS_500, 3);
  const refused = await api.post({ prompt: "a good one" });
  await stack.books.redis.run(({ client }) => client.flushdb());
  const refusedAgain = await api.call<Problem>("/quota/explain", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: "a good one" }),
  });

  expect(outcomes).toEqual(["failed", "failed", "FAILURES_EXCEEDED"]);
  expect(refused.body).toMatchObject({
    status: 429,
    code: "FAILURES_EXCEEDED",
    "violated-policies": ["daily-failed_executions"],
  });
  const waitMs = windowEndMs("daily", dayOf(Date.now())) - Date.now();
  const retryAfterMs = Number(refused.headers.get("retry-after")) * 1_000;
  expect(Math.abs(retryAfterMs - waitMs)).toBeLessThan(5_000);
  expect(refusedAgain.body).toMatchObject({
    fits: false,
    refusals: [{ measure: "failed_executions", limit: ATTEMPTS_MAX + 1, used: 2 * ATTEMPTS_MAX }],
  });
  const failed = { kind: "failed", tokens: 0, executions: ATTEMPTS_MAX, failed: ATTEMPTS_MAX };
  expect([...(await ledgerOf(stack, user))]).toEqual([failed, failed]);
  await expectAllBooked(stack);

  // A keeper that has not looked since Redis lost its memory takes the tiers it sees for those in force.
  await untilTrue("the keeper has noted the tiers", 10_000, () =>
    stack.books.redis.run(async ({ client }) => (await client.exists(APPLIED_TIERS_KEY)) === 1),
  );
  await stack.configure({});
  await untilTrue("the tier without a limit is in force", 15_000, async () => {
    const { status } = await api.post({ prompt: "a good one" });
    return status === 202;
  });
  await expectAllBooked(stack);
});

test("a request that completes in the end tells how many of its executions failed", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);
  await setQuota(stack.books.database, {
    userId: user.userId,
    window: "daily",
    tier: "standard",
    requests: null,
    tokens: null,
  });

  const { request_id: requestId } = await api.generate({ prompt: "[[sim:fail-times:1]]" });
  const ended = await api.untilEnded(requestId);
  await stack.books.untilQuiet();

  expect(ended).toMatchObject({ status: "completed", attempts: 2 });
  const [row] = await ledgerOf(stack, user);
  expect(row).toMatchObject({ kind: "reported", executions: 2, failed: 1 });
  const { windows } = (await api.call<QuotaReply>("/quota")).body;
  expect(windows.daily).toMatchObject({
    requests: { used: 1 },
    failed_executions: { limit: 10_000, used: 1, remaining: 9_999 },
  });
  await expectAllBooked(stack);
});
