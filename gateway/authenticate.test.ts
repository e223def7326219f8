import { expect, test } from "bun:test";

import type { KeyRecord } from "./ports.ts";
import { createFakeGateway } from "./testing.ts";

const RECORD: KeyRecord = {
  keyId: "key-1",
  userId: "user-1",
  userActive: true,
  expiresAtMs: null,
};
const BODY = { body: { prompt: "hello" } };

test("a key that is revoked while it is looked up is not remembered", async () => {
  const asked = Promise.withResolvers<void>();
  const readBefore = Promise.withResolvers<KeyRecord | undefined>();
  const answers = [readBefore.promise, Promise.resolve(undefined)];
  const { call, key, keyChanged } = createFakeGateway({
    readStoredKey: async () => {
      asked.resolve();
      return answers.shift();
    },
  });

  const during = call("POST", "/generate", BODY);
  await asked.promise;
  for (const announce of keyChanged) announce(Buffer.from(key).toString("base64url"));
  readBefore.resolve(RECORD);
  const accepted = await during;
  const after = await call("POST", "/generate", BODY);

  expect(accepted.status).toBe(202);
  expect(after.status).toBe(401);
});

test("a change of a key makes it be read again", async () => {
  const { call, key, keys, keyChanged } = createFakeGateway();
  expect((await call("POST", "/generate", BODY)).status).toBe(202);

  keys.delete(key);
  const cached = await call("POST", "/generate", BODY);
  for (const announce of keyChanged) announce(Buffer.from(key).toString("base64url"));
  const announced = await call("POST", "/generate", BODY);

  expect([cached.status, announced.status]).toEqual([202, 401]);
});

test("after announcements may have been lost every key is read again", async () => {
  const { call, key, keys, resubscribed } = createFakeGateway();
  expect((await call("POST", "/generate", BODY)).status).toBe(202);

  keys.delete(key);
  for (const announce of resubscribed) announce();

  expect((await call("POST", "/generate", BODY)).status).toBe(401);
});
