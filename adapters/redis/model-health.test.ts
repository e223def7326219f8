import { afterAll, beforeAll, expect, test } from "bun:test";

import { afterTrouble, type DatedHealth, HEALTHY } from "../../core/queue/model-health.ts";
import { newId } from "../../test/support/quota-samples.ts";
import { connectForTest } from "../../test/support/redis.ts";
import type { RedisConnection } from "./connection.ts";
import { createModelHealthStore, modelHealthKey, type ModelHealthStore } from "./model-health.ts";

const HOUR_MS = 3_600_000;

let redis: RedisConnection;
let store: ModelHealthStore;
beforeAll(async () => {
  redis = await connectForTest();
  store = createModelHealthStore(redis);
});
afterAll(() => redis.close());

const busyFor =
  (retryAfterMs: number) =>
  ({ health, atMs }: DatedHealth) =>
    afterTrouble(
      health,
      { trouble: "busy", userId: "u", message: "429", tookMs: 1, retryAfterMs, isProbe: false },
      atMs,
      { failuresMax: 10, pauseFirstMs: 1_000, pauseMaxMs: 60_000 },
    );

test("what is stored and is not ours counts as nothing known, and gives way", async () => {
  const model = newId();
  const key = modelHealthKey(model);
  await redis.run(({ client }) => client.set(key, '{"pause":"for ever"}'));

  const [read] = await store.read([model]);
  const changed = await store.change(model, busyFor(0));

  expect(read?.health).toEqual(HEALTHY);
  expect(changed.isChanged).toBe(true);
  expect((await store.read([model]))[0]?.health).toEqual(changed.health);
});

test("a record stays an hour longer than the longest pause in it, and not for ever", async () => {
  const model = newId();

  await store.change(model, busyFor(2 * HOUR_MS));

  const ttlMs = await redis.run(({ client }) => client.pttl(modelHealthKey(model)));
  expect(ttlMs).toBeWithin(3 * HOUR_MS - 10_000, 3 * HOUR_MS + 1);
});
