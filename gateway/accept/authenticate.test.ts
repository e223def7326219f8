import { expect, test } from "bun:test";

import { API_KEY_RANDOM_BYTES, formatApiKey } from "../../core/api-key.ts";
import type { KeyRecord } from "../../core/key-record.ts";
import { untilIdle } from "../../test/support/clock.ts";
import { createFakeGateway } from "../../test/support/gateway-world.ts";

const RECORD: KeyRecord = {
  keyId: "key-1",
  userId: "user-1",
  userActive: true,
  tier: null,
  expiresAtMs: null,
  models: null,
  routes: null,
};
const BODY = { body: { prompt: "hello" } };

test("a key that is revoked while it is looked up is not remembered", async () => {
  const asked = Promise.withResolvers<void>();
  const readBefore = Promise.withResolvers<KeyRecord | undefined>();
  const reads = [readBefore.promise, Promise.resolve(undefined)];
  const { call, revokeKey, announceKeyChange } = createFakeGateway({
    readStoredKeys: async () => {
      asked.resolve();
      return [await reads.shift()];
    },
  });

  const during = call("POST", "/generate", BODY);
  await asked.promise;
  await revokeKey();
  await announceKeyChange();
  await untilIdle();
  readBefore.resolve(RECORD);
  const accepted = await during;
  const after = await call("POST", "/generate", BODY);

  expect(accepted.status).toBe(202);
  expect(after.status).toBe(401);
});

test("a change of a key makes it be read again", async () => {
  const { call, revokeKey, announceKeyChange } = createFakeGateway();
  // From now on the gateway hears of changes.
  await untilIdle();
  expect((await call("POST", "/generate", BODY)).status).toBe(202);

  await revokeKey();
  const cached = await call("POST", "/generate", BODY);
  await announceKeyChange();
  await untilIdle();
  const announced = await call("POST", "/generate", BODY);

  expect([cached.status, announced.status]).toEqual([202, 401]);
});

test("after announcements may have been lost every key is read again", async () => {
  const { call, revokeKey, signals } = createFakeGateway();
  expect((await call("POST", "/generate", BODY)).status).toBe(202);

  signals.loseSubscription();
  await revokeKey();
  signals.resubscribe();

  expect((await call("POST", "/generate", BODY)).status).toBe(401);
});

test("made-up keys share queries and never drive out a good key", async () => {
  let queries = 0;
  const fake = createFakeGateway(
    {
      readStoredKeys: async (hashes) => {
        queries += 1;
        return fake.keys.readStoredKeys(hashes);
      },
    },
    { key_cache_max: 2 },
  );
  await fake.gateway.start();
  await fake.call("POST", "/generate", BODY);
  queries = 0;
  const madeUp = Array.from({ length: 100 }, (_, index) =>
    formatApiKey(new Uint8Array(API_KEY_RANDOM_BYTES).fill(3).fill(index, 0, 2)),
  );

  const refused = await Promise.all(
    madeUp.map((key) =>
      fake.call("POST", "/generate", { ...BODY, headers: { authorization: `Bearer ${key}` } }),
    ),
  );
  const queriesForThem = queries;
  const good = await fake.call("POST", "/generate", BODY);

  expect(new Set(refused.map((response) => response.status))).toEqual(new Set([401]));
  expect(queriesForThem).toBeLessThan(10);
  expect(good.status).toBe(202);
  expect(queries).toBe(queriesForThem);
});
