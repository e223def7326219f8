/** Somebody may write into RabbitMQ and has none of our secrets. */
import { expect } from "bun:test";

import { encodeUnchanged, type OutgoingMessage } from "../../adapters/amqp/messages.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import type { AcceptedReply, StatusReply } from "../../gateway/http/schemas.ts";
import { generateMany, untilAllEnded } from "../support/stack/crowd.ts";
import { openPostOffice, type PostOffice } from "../support/stack/post-office.ts";
import { testsOnStack } from "../support/stack/stack-tests.ts";
import type { TestStack } from "../support/stack/stack.ts";

/** Without turns: what is posted while no keeper lives goes to the queue at once. */
const test = testsOnStack({
  settings: { models: { "sim-chat": { concurrency_min: 32, concurrency_max: 32 } } },
});

type Role = "worker" | "collector";
type Forge = (mine: OutgoingMessage, other: OutgoingMessage) => OutgoingMessage;

const withHeaders =
  (headers: Record<string, unknown>): Forge =>
  (message) => ({ ...message, headers: { ...message.headers, ...headers } });

function unsigned(message: OutgoingMessage): OutgoingMessage {
  const { mac: _, ...headers } = message.headers;
  return { ...message, headers };
}

/** Whoever reads the queues can take a signature off one message and put it onto another. */
const RESULTS: Readonly<Record<string, Forge>> = {
  "another state": (message) => ({
    ...withHeaders({ state: "failed", error_code: "UPSTREAM_FAILED" })(message, message),
    body: new Uint8Array(0),
  }),
  "more tokens": withHeaders({ completion_tokens: 900_000_000 }),
  "another model": withHeaders({ model: "dear" }),
  "another's id": (message, { messageId }) => ({ ...message, messageId }),
  "another's result under its id": (message, other) => ({ ...other, messageId: message.messageId }),
  "no signature": unsigned,
};
const REQUESTS: Readonly<Record<string, Forge>> = {
  "another model": withHeaders({ model: "sim-completions" }),
  "the last attempt": withHeaders({ attempt: 4 }),
  "an end long ago": withHeaders({ expires_at_ms: 1 }),
  "another's prompt": (message, other) => ({ ...message, body: other.body }),
  "another's id": (message, { messageId }) => ({ ...message, messageId }),
  "no signature": unsigned,
};

/** Posts as many requests as there are forgeries, and shows what waits for a role that is away. */
async function whileAway(
  stack: TestStack,
  role: Role,
  queue: string,
  act: (post: PostOffice, messages: OutgoingMessage[]) => Promise<void>,
): Promise<{ replies: StatusReply[]; userId: string }> {
  const user = await stack.addUser();
  const api = stack.api(user);
  const post = openPostOffice(stack);
  let accepted: AcceptedReply[] = [];
  try {
    await stack.stopRole(role);
    const count = Object.keys(RESULTS).length;
    accepted = await generateMany(api, count);
    await untilTrue("all wait", 10_000, async () => (await stack.books.depths())[queue] === count);
    await act(post, await post.takeAll(queue));
    await stack.startRole(role);
    return { replies: await untilAllEnded(api, accepted), userId: user.userId };
  } finally {
    await post.close();
  }
}

const forgeAll = (forges: Readonly<Record<string, Forge>>, messages: OutgoingMessage[]) =>
  Object.values(forges).map((forge, at) => {
    const [mine, other] = [messages[at], messages[(at + 1) % messages.length]];
    if (mine === undefined || other === undefined) throw new Error("too few messages");
    return forge(mine, other);
  });

async function countRefused({ collectors }: TestStack): Promise<number> {
  const texts = await Promise.all(collectors.map(({ readMetrics }) => readMetrics()));
  const values = texts.flatMap((text) => [
    ...text.matchAll(/^collector_messages_refused_total\{[^}]*\} (\d+)/gm),
  ]);
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

/** Each was executed and billed once, as the simulator counted it, and nothing else was. */
async function expectUntouched(
  stack: TestStack,
  { replies, userId }: { replies: StatusReply[]; userId: string },
): Promise<void> {
  await stack.books.untilQuiet();
  expect(replies.map(({ status, model }) => ({ status, model }))).toEqual(
    replies.map(() => ({ status: "completed", model: "sim-chat" })),
  );
  expect(Math.max(...replies.map(({ tokens }) => tokens.completion ?? 0))).toBeLessThan(1_000);
  const billed = replies.reduce((sum, { tokens }) => sum + (tokens.total ?? 0), 0);
  const snapshot = await stack.books.quota.read(userId);
  expect(snapshot?.windows.daily.used).toEqual({ requests: replies.length, tokens: billed });
  const { differences, holdsOpen } = await stack.books.audit();
  expect({ differences, holdsOpen }).toEqual({ differences: [], holdsOpen: 0 });
}

/** They lie in a queue of dead letters as they were forged. */
async function expectKept(
  stack: TestStack,
  queue: string,
  forgeries: readonly OutgoingMessage[],
): Promise<void> {
  const letters = await stack.books.messages(queue);
  const kept = letters.map((letter) => encodeUnchanged({ ...letter, timestampMs: 0 }));
  for (const { body, ...forgery } of forgeries)
    expect(kept).toContainEqual({ ...forgery, body: Buffer.from(body), timestampMs: 0 });
}

test("forged and swapped results end nothing, bill nothing, and are kept and counted", async (stack) => {
  const before = await countRefused(stack);
  let forgeries: OutgoingMessage[] = [];
  const ended = await whileAway(stack, "collector", "inference_results", async (post, messages) => {
    forgeries = forgeAll(RESULTS, messages);
    // In front: if one of them counted, ours would be late.
    for (const message of [...forgeries, ...messages]) await post.put("inference_results", message);
  });

  await expectUntouched(stack, ended);
  await expectKept(stack, "inference_results.dead", forgeries);
  // Collectors have begun anew since.
  expect(before).toBe(0);
  expect(await countRefused(stack)).toBe(forgeries.length);
});

test("forged and swapped requests are not executed, end nothing, and are kept", async (stack) => {
  let forgeries: OutgoingMessage[] = [];
  const ended = await whileAway(stack, "worker", "inference_requests", async (post, messages) => {
    forgeries = forgeAll(REQUESTS, messages);
    for (const message of [...forgeries, ...messages])
      await post.put("inference_requests", message);
  });

  await expectUntouched(stack, ended);
  expect(ended.replies.map(({ attempts }) => attempts)).toEqual(ended.replies.map(() => 1));
  await expectKept(stack, "inference_results.dead", forgeries);
});

test("forged requests are not parked", async (stack) => {
  let forgeries: OutgoingMessage[] = [];
  const ended = await whileAway(stack, "worker", "inference_requests", async (post, messages) => {
    forgeries = forgeAll(REQUESTS, messages);
    for (const message of forgeries) await post.put("inference_requests.parking", message);
    for (const message of messages) await post.put("inference_requests", message);
    await untilTrue("the keeper has looked", 10_000, async () => {
      const letters = await stack.books.messages("inference_requests.dead");
      return letters.length === forgeries.length;
    });
  });

  await expectUntouched(stack, ended);
  await expectKept(stack, "inference_requests.dead", forgeries);
});

test("what a release from before has not signed is not lost when nobody believes it", async (stack) => {
  const ended = await whileAway(stack, "worker", "inference_requests", async (post, messages) => {
    for (const message of messages) await post.put("inference_requests", unsigned(message));
  });

  // The keeper has found no message of theirs, and written new ones.
  await expectUntouched(stack, ended);
});

test("it is believed at once while the configuration says so", async (stack) => {
  const letters = await stack.books.messages("inference_results.dead");
  await stack.configure({
    amqp: { accept_unsigned: true },
    models: { "sim-chat": { concurrency_min: 32, concurrency_max: 32 } },
  });

  const ended = await whileAway(stack, "worker", "inference_requests", async (post, messages) => {
    for (const message of messages) await post.put("inference_requests", unsigned(message));
  });

  await expectUntouched(stack, ended);
  expect(await stack.books.messages("inference_results.dead")).toHaveLength(letters.length);
});
