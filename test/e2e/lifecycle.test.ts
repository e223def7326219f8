import { expect } from "bun:test";

import { untilTrue } from "../../local/stack/eventually.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";
import type { Api, Problem } from "../../history/api.ts";

const test = testsOnStack({ gateways: 2 });

const post = { method: "POST" } as const;
const cancel = (api: Api, requestId: string) =>
  api.call<Partial<Problem>>(`/requests/${requestId}/cancel`, post);

async function usedTokens(stack: TestStack, userId: string): Promise<number | undefined> {
  return (await stack.books.quota.read(userId))?.windows.daily.used.tokens;
}

async function expectBooksAgree(stack: TestStack): Promise<void> {
  await stack.books.untilQuiet();
  const { differences, holdsOpen } = await stack.books.audit();
  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
}

test("a request that waits is cancelled, released and never run", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);
  const calls = (await stack.simulator.stats()).calls;
  await stack.workers[0]?.terminate();
  const { request_id: requestId } = await api.generate({ prompt: "wait" });

  const reply = await cancel(api, requestId);
  const ended = await api.untilEnded(requestId);
  await stack.workers[0]?.start();
  await expectBooksAgree(stack);

  expect(reply.status).toBeLessThan(300);
  expect(ended.status).toBe("cancelled");
  expect(await usedTokens(stack, user.userId)).toBe(0);
  expect((await stack.simulator.stats()).calls).toBe(calls);
});

test("a request that runs is cancelled on another gateway, and what it used is settled", async (stack) => {
  const user = await stack.addUser();
  const { request_id: requestId } = await stack
    .api(user, 0)
    .generate({ prompt: "[[sim:slow:1800]]" });
  await untilTrue("it runs", 5_000, async () => {
    const { status } = await stack.api(user, 1).status(requestId);
    return status === "in_progress";
  });

  const reply = await cancel(stack.api(user, 1), requestId);
  const ended = await stack.api(user, 1).untilEnded(requestId);
  await expectBooksAgree(stack);

  expect(reply.status).toBeLessThan(300);
  expect(ended.status).toBe("cancelled");
  expect(await usedTokens(stack, user.userId)).toBe(ended.tokens.total ?? 0);
});

test("a request that has ended cannot be cancelled, and stays as it is", async (stack) => {
  const api = stack.api(await stack.addUser());
  const { request_id: requestId } = await api.generate({ prompt: "over" });
  const ended = await api.untilEnded(requestId);

  const reply = await cancel(api, requestId);

  expect({ status: reply.status, code: reply.body.code }).toEqual({
    status: 409,
    code: "REQUEST_TERMINAL",
  });
  expect(await api.status(requestId)).toEqual(ended);
});

test("nobody else can cancel a request or find it in a list", async (stack) => {
  const owner = stack.api(await stack.addUser());
  const other = stack.api(await stack.addUser());
  const { request_id: requestId } = await owner.generate({ prompt: "mine" });

  const reply = await cancel(other, requestId);
  const list = await other.call<unknown>("/requests");
  const unknown = await cancel(other, Bun.randomUUIDv7());

  expect({ status: reply.status, code: reply.body.code }).toEqual({
    status: unknown.status,
    code: unknown.body.code,
  });
  expect(reply.status).toBe(404);
  expect(JSON.stringify(list.body)).not.toContain(requestId);
  expect((await owner.untilEnded(requestId)).status).toBe("completed");
});

test("a request that no worker starts within its queue_ttl expires and is not billed", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);
  await stack.workers[0]?.terminate();
  const { request_id: requestId } = await api.generate({ prompt: "soon", queue_ttl: 1 });

  const ended = await api.untilEnded(requestId);
  await stack.workers[0]?.start();
  await expectBooksAgree(stack);

  expect({ status: ended.status, code: ended.error?.code }).toEqual({
    status: "expired",
    code: "QUEUE_TTL_PASSED",
  });
  expect(await usedTokens(stack, user.userId)).toBe(0);
});

test("a request between two attempts does not expire", async (stack) => {
  const api = stack.api(await stack.addUser());

  const { request_id: requestId } = await api.generate({
    prompt: "again and again [[sim:fail-times:3]]",
    queue_ttl: 1,
  });
  const ended = await api.untilEnded(requestId);

  expect({ status: ended.status, attempts: ended.attempts }).toEqual({
    status: "completed",
    attempts: 4,
  });
});
