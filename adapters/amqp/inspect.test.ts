import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import type { AmqpConnection } from "./connection.ts";
import { browse, purge, queueDepths, siftQueue, takeOne } from "./inspect.ts";
import { encodeRequest } from "./messages.ts";
import { requestOf, SIGNATURES } from "../../test/support/message-samples.ts";
import { createPublisher, type Publisher } from "./publisher.ts";
import { startTestBroker, type TestBroker } from "../../test/support/broker.ts";
import { until } from "../../test/support/until.ts";

let broker: TestBroker;
let connection: AmqpConnection;
let publisher: Publisher;
let dead: string;
const messages = [1, 2, 3, 4].map(() => encodeRequest(requestOf(10)));
const ids = messages.map((message) => message.messageId);

beforeAll(async () => {
  broker = await startTestBroker([]);
  connection = await broker.connect();
  publisher = createPublisher(connection, {
    channels: 1,
    messagesMax: 100,
    bytesMax: 1_000_000,
    confirmTimeoutMs: 5_000,
    signatures: SIGNATURES,
  });
  dead = broker.queues.requestsDead.name;
});
beforeEach(async () => {
  await purge(connection, dead);
  await Promise.all(messages.map((message) => publisher.publish(dead, message)));
});
afterAll(async () => {
  await publisher.close();
  await broker.stop();
});

const idsIn = async (queue: string): Promise<unknown[]> =>
  (await browse(connection, queue, { limit: 100 })).map((message) => message.messageId);

test("browsing shows the first messages in order and takes none, however often", async () => {
  const first = await browse(connection, dead, { limit: 2 });

  expect(first.map((message) => message.messageId)).toEqual(ids.slice(0, 2));
  for (let round = 0; round < 25; round += 1) expect(await idsIn(dead)).toEqual(ids);
});

test("depths are told per queue, and a queue that is not there is null", async () => {
  const depths = await queueDepths(connection, [
    dead,
    `${dead}.absent`,
    broker.queues.requests.name,
  ]);

  expect(Object.fromEntries(depths)).toEqual({
    [dead]: { ready: 4, consumers: 0 },
    [`${dead}.absent`]: null,
    [broker.queues.requests.name]: { ready: 0, consumers: 0 },
  });
});

test("one message is taken out by its id, after it was moved, and the others stay in order", async () => {
  const moved: unknown[] = [];
  const id = ids[2] ?? "";

  const taken = await takeOne(connection, dead, id, {
    limit: 100,
    move: async (message) => {
      moved.push(message.messageId);
      await publisher.publish(broker.queues.requests.name, encodeRequest(requestOf(1)));
    },
  });

  expect(taken).toBe(true);
  expect(moved).toEqual([id]);
  expect(await idsIn(dead)).toEqual([ids[0], ids[1], ids[3]]);
  await until(async () => (await queueDepths(connection, [dead])).get(dead)?.ready === 3, 2_000);
});

test("a message whose move fails stays, and the caller learns why", async () => {
  const taking = takeOne(connection, dead, ids[0] ?? "", {
    limit: 100,
    move: () => publisher.publish(`${dead}.absent`, encodeRequest(requestOf(1))),
  });

  expect(await taking.catch((error: unknown) => error)).toMatchObject({
    code: "BROKER_UNAVAILABLE",
    message: "the queue of the message does not exist",
  });
  expect(await idsIn(dead)).toEqual(ids);
});

test("an id that is not among the first messages is not found, and all stay", async () => {
  const options = { limit: 2 };

  expect(await takeOne(connection, dead, ids[3] ?? "", options)).toBe(false);
  expect(await takeOne(connection, dead, "unknown", { limit: 100 })).toBe(false);
  expect(await idsIn(dead)).toEqual(ids);
});

test("purging removes all and says how many", async () => {
  expect(await purge(connection, dead)).toBe(4);
  expect(await idsIn(dead)).toEqual([]);
});

test("sifting takes what it is told to, and leaves the others in their places", async () => {
  const seen: unknown[] = [];

  await siftQueue(connection, dead, { limit: 100, withinMs: 5_000 }, async ({ messageId }) => {
    seen.push(messageId);
    return messageId === ids[1] || messageId === ids[2] ? "take" : "leave";
  });

  expect(seen).toEqual(ids);
  expect(await idsIn(dead)).toEqual([ids[0], ids[3]]);
});

test("sifting that stops or fails keeps what was taken before, and nothing else", async () => {
  const options = { limit: 100, withinMs: 5_000 };
  const failed = await siftQueue(connection, dead, options, async ({ messageId }) => {
    if (messageId === ids[1]) throw new Error("broken");
    return "take";
  }).catch((error: unknown) => (error as Error).cause);
  const afterFailure = await idsIn(dead);

  await siftQueue(connection, dead, options, async ({ messageId }) =>
    messageId === ids[2] ? "stop" : "take",
  );

  expect(failed).toEqual(new Error("broken"));
  expect(new Set(afterFailure)).toEqual(new Set(ids.slice(1)));
  // What has come back several times comes in any order.
  const stoppedAt = afterFailure.findIndex((id) => id === ids[2]);
  expect(await idsIn(dead)).toHaveLength(3 - stoppedAt);
});

test("what was looked at is there again at once", async () => {
  for (let round = 0; round < 50; round += 1) {
    const seen: unknown[] = [];
    await siftQueue(connection, dead, { limit: 100, withinMs: 5_000 }, async ({ messageId }) => {
      seen.push(messageId);
      return "leave";
    });

    expect(seen).toHaveLength(ids.length);
  }
});
