import { afterAll, beforeAll, expect, test } from "bun:test";
import type { RedisConnection } from "./connection.ts";
import { startedKey } from "./keys.ts";
import { connectForTest, newId } from "../../test/support/redis.ts";
import { createRequestHints, type RequestHints } from "./request-hints.ts";

let redis: RedisConnection;
let hints: RequestHints;

beforeAll(async () => {
  redis = await connectForTest();
  hints = createRequestHints(redis);
});
afterAll(() => redis.close());

const requestOf = () => ({ userId: newId(), requestId: newId() });
const first = { attempt: 1, startedAtMs: 1_000, redelivered: false };

test("a started attempt is shown until it is cleared", async () => {
  const [started, other] = [requestOf(), requestOf()];

  expect(await hints.markStarted({ ...started, ...first })).toEqual({
    cancelled: false,
    crashes: 0,
  });

  expect(await hints.readStarted([other, started])).toEqual([
    undefined,
    { attempt: 1, startedAtMs: 1_000 },
  ]);
  await hints.clearStarted({ ...started, startedAtMs: 1_000, attemptsMade: 0 });
  expect(await hints.readStarted([started])).toEqual([undefined]);
});

test("each redelivery of an attempt that never ended counts one crash", async () => {
  const request = requestOf();
  await hints.markStarted({ ...request, ...first });

  const second = await hints.markStarted({ ...request, ...first, redelivered: true });
  const third = await hints.markStarted({ ...request, ...first, redelivered: true });

  expect([second.crashes, third.crashes]).toEqual([1, 2]);
});

test("a neighbour that was only prefetched when its worker died is not suspected", async () => {
  const neighbour = requestOf();

  const start = await hints.markStarted({ ...neighbour, ...first, redelivered: true });

  expect(start.crashes).toBe(0);
});

test("an attempt that ended in its worker's hands is not suspected when it comes again", async () => {
  const request = requestOf();
  await hints.markStarted({ ...request, ...first });
  await hints.clearStarted({ ...request, startedAtMs: 1_000, attemptsMade: 0 });

  const again = await hints.markStarted({ ...request, ...first, redelivered: true });

  expect(again.crashes).toBe(0);
});

test("whoever lost its delivery does not take away the mark of the worker that has it now", async () => {
  const request = requestOf();
  await hints.markStarted({ ...request, ...first });
  await hints.markStarted({ ...request, ...first, startedAtMs: 2_000, redelivered: true });

  await hints.clearStarted({ ...request, startedAtMs: 1_000, attemptsMade: 1 });

  expect(await hints.readStarted([request])).toEqual([{ attempt: 1, startedAtMs: 2_000 }]);
  expect(await hints.readAttemptsMade([request])).toEqual([0]);
});

test("a second copy of a message is not a crash", async () => {
  const request = requestOf();
  await hints.markStarted({ ...request, ...first });

  const copy = await hints.markStarted({ ...request, ...first });

  expect(copy.crashes).toBe(0);
});

test("a worker learns at the start that the request was cancelled, and nothing shows it as started", async () => {
  const request = requestOf();
  await hints.markCancelled(request);

  const { cancelled } = await hints.markStarted({ ...request, ...first });

  expect(cancelled).toBe(true);
  expect(await hints.readStarted([request])).toEqual([undefined]);
});

test("between two attempts nothing is shown as started, but that there was an attempt is known", async () => {
  const [retried, other] = [requestOf(), requestOf()];
  await hints.markStarted({ ...retried, ...first });

  await hints.clearStarted({ ...retried, startedAtMs: 1_000, attemptsMade: 1 });
  const shown = await hints.readStarted([retried]);
  const made = await hints.readAttemptsMade([other, retried]);
  const next = await hints.markStarted({ ...retried, ...first, attempt: 2, redelivered: true });

  expect(shown).toEqual([undefined]);
  expect(made).toEqual([0, 1]);
  expect(next.crashes).toBe(0);
});

test("until when a request waits for its next attempt is known, beside how many it has had, and does not stay for ever", async () => {
  const [delayed, other] = [requestOf(), requestOf()];
  const untilMs = Date.now() + 60_000;
  await hints.markStarted({ ...delayed, ...first });
  await hints.clearStarted({ ...delayed, startedAtMs: 1_000, attemptsMade: 1 });

  await hints.noteDelayed({ ...delayed, untilMs });

  expect(await hints.readDelayedUntil([other, delayed])).toEqual([0, untilMs]);
  expect(await hints.readAttemptsMade([delayed])).toEqual([1]);
  expect(await hints.readStarted([delayed])).toEqual([undefined]);
  const key = startedKey(delayed.userId, delayed.requestId);
  const ttlMs = await redis.run(({ client }) => client.pttl(key));
  expect(ttlMs).toBeWithin(24 * 3_600_000, 24 * 3_600_000 + 60_001);
});
