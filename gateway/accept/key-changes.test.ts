import { expect, test } from "bun:test";

import { createFakeClock, untilIdle } from "../../test/support/clock.ts";
import { createFakeKeyStore } from "../../test/support/fakes/key-store.ts";
import { createFakeServer } from "../../test/support/fakes/server.ts";
import { silentLog } from "../../runtime/log.ts";
import { createKeyWatch } from "./key-changes.ts";

const KEY = Buffer.from("key");
const HASH = KEY.toString("base64url");
const HOUR_MS = 3_600_000;

function world() {
  const clock = createFakeClock(HOUR_MS);
  const server = createFakeServer("STORE_UNAVAILABLE");
  const store = createFakeKeyStore(server);
  store.add(KEY, { keyId: "k", userId: "u", expiresAtMs: null, models: null, routes: null });
  const forgotten: string[] = [];
  const watch = createKeyWatch(
    { log: silentLog, now: clock.now, schedule: clock.schedule, ...store },
    { forget: (keyHash) => forgotten.push(keyHash), forgetAll: () => forgotten.push("all") },
  );
  const pass = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    await untilIdle();
  };
  return { server, store, forgotten, watch, pass };
}

test("a key that changed is forgotten within a second, once, and Redis is not believed of it", async () => {
  const { store, forgotten, watch, pass } = world();
  await watch.start();
  const before = watch.isSuspect(HASH);

  store.revoke("k");
  await pass(1_000);
  await pass(1_000);
  const after = watch.isSuspect(HASH);
  await pass(360_000);

  expect(forgotten).toEqual([HASH]);
  expect([before, after, watch.isSuspect(HASH)]).toEqual([false, true, false]);
});

test("Redis is believed of no key until PostgreSQL has said what changed", async () => {
  const { server, watch, pass } = world();
  server.isAway = true;
  await watch.start();
  const during = watch.isSuspect("any");
  server.isAway = false;
  await pass(1_000);

  expect([during, watch.isSuspect("any")]).toEqual([true, false]);
});

test("what changed while PostgreSQL was away is told when it is back", async () => {
  const { server, store, forgotten, watch, pass } = world();
  await watch.start();
  server.isAway = true;
  store.revoke("k");
  await pass(1_000);
  const during = [...forgotten];
  server.isAway = false;
  await pass(1_000);

  expect([during, forgotten]).toEqual([[], [HASH]]);
});

test("where changes may have been missed every key is forgotten, and Redis is not believed", async () => {
  const { server, forgotten, watch, pass } = world();
  await watch.start();
  server.isAway = true;
  await pass(HOUR_MS);
  server.isAway = false;
  await pass(1_000);

  expect(forgotten).toEqual(["all"]);
  expect(watch.isSuspect("any")).toBe(true);
});

test("so it is when PostgreSQL was set back to an earlier time", async () => {
  const { store, forgotten, watch, pass } = world();
  store.setTier("u", "gold");
  await watch.start();
  forgotten.length = 0;

  store.setBack();
  await pass(1_000);

  expect(forgotten).toContain("all");
  expect(watch.isSuspect("any")).toBe(true);
});
