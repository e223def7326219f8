import { createLanes } from "../../adapters/redis/lanes.ts";
import { expect } from "bun:test";

import type { OutgoingMessage } from "../../adapters/amqp/messages.ts";
import type { AcceptedReply } from "../../gateway/http/schemas.ts";
import type { Api } from "../../history/api.ts";
import { generateMany, untilAllEnded } from "../support/stack/crowd.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { openPostOffice, type PostOffice } from "../support/stack/post-office.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";

/** The most that a test posts while no keeper lives. */
const POSTED_MAX = 20;
const test = testsOnStack({
  settings: { models: { "sim-chat": { concurrency_min: 32, concurrency_max: 32 } } },
});

const WORKER_DEATHS = 3;

async function expectBooksAgree(stack: TestStack): Promise<void> {
  await stack.books.untilQuiet();
  const { differences, holdsOpen } = await stack.books.audit();
  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
}

async function without(
  components: readonly { terminate: () => Promise<number>; start: () => Promise<void> }[],
  act: () => Promise<void>,
): Promise<void> {
  await Promise.all(components.map((component) => component.terminate()));
  try {
    await act();
  } finally {
    await Promise.all(components.map((component) => component.start()));
  }
}

/** What is parked while there is no keeper waits for the next one: until as many are published at once. */
async function untilPublishedAtOnce(stack: TestStack): Promise<void> {
  let sinceMs: number | null = null;
  await untilTrue("requests are published at once", 10_000, async () => {
    const view = await createLanes(stack.books.redis).readView();
    const { mode, allowance = 0 } = view?.models["sim-chat"] ?? {};
    if (view === undefined || mode !== "direct" || allowance < POSTED_MAX) sinceMs = null;
    else sinceMs ??= view.atMs;
    // Gateways read the view four times a second.
    return view !== undefined && sinceMs !== null && view.atMs - sinceMs >= 500;
  });
}

const untilWaiting = (stack: TestStack, queue: string, count: number): Promise<void> =>
  untilTrue(`${count} messages wait in ${queue}`, 10_000, async () => {
    const depths = await stack.books.depths();
    return (depths[queue] ?? 0) >= count;
  });

async function withPostOffice(
  stack: TestStack,
  act: (post: PostOffice) => Promise<void>,
): Promise<void> {
  const post = openPostOffice(stack);
  try {
    await act(post);
  } finally {
    await post.close();
  }
}

/** The request whose message `spoil` changes, among others that nothing happens to. */
async function expectOnlyItFails(
  stack: TestStack,
  { spoil, code }: { spoil: (message: OutgoingMessage) => OutgoingMessage; code: string },
): Promise<void> {
  const api = stack.api(await stack.addUser());
  let requests: AcceptedReply[] = [];
  await withPostOffice(stack, (post) =>
    without(stack.workers, async () => {
      requests = await generateMany(api, 6);
      await untilWaiting(stack, "inference_requests", 6);
      const messages = await post.takeAll("inference_requests");
      for (const message of messages) {
        const isChosen = message.messageId === requests[2]?.request_id;
        await post.putSigned("inference_requests", isChosen ? spoil(message) : message);
      }
    }),
  );

  const ends = await untilAllEnded(api, requests);

  expect(ends.map(({ status }) => status)).toEqual(
    requests.map((_, index) => (index === 2 ? "failed" : "completed")),
  );
  expect(ends[2]?.error?.code).toBe(code);
  expect(ends[2]?.tokens.total).toBeNull();
  await expectBooksAgree(stack);
}

test("a message without its headers fails its request and releases it, and no other", (stack) =>
  expectOnlyItFails(stack, {
    spoil: (message) => ({ ...message, headers: {} }),
    code: "PAYLOAD_UNREADABLE",
  }));

test("a message of a version that is no more fails its request and releases it, and no other", (stack) =>
  expectOnlyItFails(stack, {
    spoil: (message) => ({ ...message, headers: { ...message.headers, version: 0 } }),
    code: "PAYLOAD_UNREADABLE",
  }));

test("a prompt that cannot be decrypted fails its request and releases it, and no other", (stack) =>
  expectOnlyItFails(stack, {
    spoil: (message) => ({ ...message, body: message.body.map((byte) => byte ^ 0xff) }),
    code: "PAYLOAD_UNREADABLE",
  }));

test("a message that names no request goes to the dead letters, and others complete", async (stack) => {
  const api = stack.api(await stack.addUser());
  const garbage = { body: new Uint8Array([1]), messageId: "none", headers: {}, timestampMs: 0 };
  await withPostOffice(stack, async (post) => {
    await post.put("inference_requests", { ...garbage, type: "request" });
    await post.put("inference_results", { ...garbage, type: "result" });
  });

  await untilAllEnded(api, await generateMany(api, 5));

  await untilWaiting(stack, "inference_results.dead", 2);
  await expectBooksAgree(stack);
});

test("a message that takes every worker down fails its request; those after it complete", async (stack) => {
  const [worker] = stack.workers;
  if (worker === undefined) throw new Error("there is no worker");
  const api = stack.api(await stack.addUser());
  await worker.terminate();
  const poison = await api.generate({ prompt: "poison" });
  for (let death = 0; death < WORKER_DEATHS; death += 1) {
    await worker.start({ CRASH_AT: "W1" }).catch(() => {});
    await worker.untilEnded(10_000);
  }
  const others = await generateMany(api, 10);
  await worker.start();

  const ended = await api.untilEnded(poison.request_id);
  const ends = await untilAllEnded(api, others);

  expect({ status: ended.status, code: ended.error?.code }).toEqual({
    status: "failed",
    code: "WORKER_CRASHED",
  });
  expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(["completed"]));
  const dead = await stack.books.messages("inference_requests.dead");
  expect(dead.map(({ messageId }) => messageId)).toContain(poison.request_id);
  await expectBooksAgree(stack);
});

/**
 * As the user reads it. A settlement that came twice may have made Redis forget the user; the reading
 * rebuilds the user.
 */
async function usedToday(api: Api): Promise<{ requests: number; tokens: number }> {
  type Used = Record<"requests" | "tokens", { used: number }>;
  const { body } = await api.call<{ windows: { daily: Used } }>("/quota");
  const { requests, tokens } = body.windows.daily;
  return { requests: requests.used, tokens: tokens.used };
}

test("messages that are delivered three times are billed once", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);
  let requests: AcceptedReply[] = [];
  await withPostOffice(stack, (post) =>
    without(stack.workers, async () => {
      requests = await generateMany(api, 20);
      await untilWaiting(stack, "inference_requests", 20);
      const messages = await post.takeAll("inference_requests");
      for (const message of [...messages, ...messages.toReversed(), ...messages])
        await post.put("inference_requests", message);
    }),
  );

  const ends = await untilAllEnded(api, requests);
  await expectBooksAgree(stack);

  const billed = ends.reduce((sum, { tokens }) => sum + (tokens.total ?? 0), 0);
  expect(await usedToday(api)).toEqual({ requests: 20, tokens: billed });
});

test("results that arrive three times and out of order count once, and the first stands", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);
  let requests: AcceptedReply[] = [];
  await withPostOffice(stack, async (post) => {
    let results: OutgoingMessage[] = [];
    await untilPublishedAtOnce(stack);
    await without(stack.collectors, async () => {
      requests = await generateMany(api, 20);
      await untilWaiting(stack, "inference_results", 20);
      results = await post.takeAll("inference_results");
      for (const result of [...results.toReversed(), ...results])
        await post.put("inference_results", result);
    });
    await untilAllEnded(api, requests);
    for (const result of results) {
      const headers = { ...result.headers, completion_tokens: 1_000 };
      await post.putSigned("inference_results", { ...result, headers });
    }
    await stack.books.untilQuiet();
    // An orderly stop ends what was taken out of the queue.
    await without(stack.collectors, async () => {});
  });

  const ends = await untilAllEnded(api, requests);
  await expectBooksAgree(stack);

  expect(ends.every(({ tokens }) => (tokens.completion ?? 0) <= 16)).toBe(true);
  expect((await usedToday(api)).requests).toBe(20);
});

test("a result that cannot be stored fails its request alone, in the middle of a batch", async (stack) => {
  const api = stack.api(await stack.addUser());
  let requests: AcceptedReply[] = [];
  await untilPublishedAtOnce(stack);
  await withPostOffice(stack, (post) =>
    without(stack.collectors, async () => {
      requests = await generateMany(api, 10);
      await untilWaiting(stack, "inference_results", 10);
      const results = await post.takeAll("inference_results");
      for (const result of results) {
        const { body, ...rest } = result;
        const isChosen = result.messageId === requests[4]?.request_id;
        const headers = {
          ...rest.headers,
          state: "failed",
          error_code: "UPSTREAM_FAILED",
          error_message: "a NUL \0 that no text column takes",
        };
        await post.putSigned(
          "inference_results",
          isChosen ? { ...rest, headers, body: new Uint8Array(0) } : { ...rest, body },
        );
      }
    }),
  );

  const ends = await untilAllEnded(api, requests);

  expect(ends.map(({ status }) => status)).toEqual(
    requests.map((_, index) => (index === 4 ? "failed" : "completed")),
  );
  expect(ends[4]?.error?.code).toBe("RESULT_UNREADABLE");
  await expectBooksAgree(stack);
});

test("a result of a request that nobody knows is dropped and billed to nobody", async (stack) => {
  const user = await stack.addUser();
  const api = stack.api(user);
  await withPostOffice(stack, (post) =>
    without(stack.collectors, async () => {
      const accepted = await api.generate({ prompt: "known" });
      await untilWaiting(stack, "inference_results", 1);
      const [result] = await post.takeAll("inference_results");
      if (result === undefined) throw new Error("there is no result");
      const another = { ...result, messageId: Bun.randomUUIDv7() };
      await post.putSigned("inference_results", another);
      await post.put("inference_results", result);
      expect(result.messageId).toBe(accepted.request_id);
    }),
  );

  await expectBooksAgree(stack);

  const snapshot = await stack.books.quota.read(user.userId);
  expect(snapshot?.windows.daily.used.requests).toBe(1);
});
