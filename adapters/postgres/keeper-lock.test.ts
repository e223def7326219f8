import { expect, test } from "bun:test";

import { createMigratedDatabase } from "../../test/support/postgres.ts";
import { until } from "../../test/support/until.ts";
import { createKeeperLock, hasKeeper } from "./keeper-lock.ts";

const SILENT_MS = 400;

const lockOn = (url: string, now: () => number) =>
  createKeeperLock({
    url,
    name: "test-keeper",
    silentMs: SILENT_MS,
    deadlineMs: 200,
    onLost: () => {},
    now,
  });

test("a keeper that was frozen itself does not act on a lock that it may have lost", async () => {
  const server = await createMigratedDatabase();
  let nowMs = 0;
  const lock = lockOn(server.url, () => nowMs);
  await until(lock.tryAcquire, 5_000);

  nowMs += SILENT_MS; // Woken, before any news from the server.

  expect(lock.isOurs()).toBe(false);
  expect([await lock.tryAcquire(), lock.isOurs()]).toEqual([true, true]);
  await lock.release();
  await server.drop();
});

test("a server that is not there makes nobody the keeper", async () => {
  const lock = lockOn("postgres://127.0.0.1:1/none", () => performance.now());

  expect(await lock.tryAcquire()).toBe(false);
});

test("whether there is a keeper is seen by those who are none", async () => {
  const server = await createMigratedDatabase();
  const lock = lockOn(server.url, () => performance.now());

  const before = await hasKeeper(server.database);
  await until(lock.tryAcquire, 5_000);
  const during = await hasKeeper(server.database);
  await lock.release();

  expect([before, during]).toEqual([false, true]);
  await until(async () => !(await hasKeeper(server.database)), 5_000);
  await server.drop();
});
