import { afterAll, beforeAll, expect, test } from "bun:test";

import { createKeeperLock, type KeeperLock, type KeeperLockOptions } from "./keeper-lock.ts";
import {
  createMigratedDatabase,
  type MigratedDatabase,
  startFreezingProxy,
} from "../../test/support/postgres.ts";

const SILENT_MS = 400;
const WAIT_MAX_MS = 5_000;

let server: MigratedDatabase;
const locks: KeeperLock[] = [];
beforeAll(async () => {
  server = await createMigratedDatabase();
});
afterAll(async () => {
  await Promise.all(locks.map((lock) => lock.release()));
  await server.drop();
});

function newLock(overrides: Partial<KeeperLockOptions> = {}): {
  lock: KeeperLock;
  lost: Promise<void>;
  losses: () => number;
} {
  const { promise: lost, resolve } = Promise.withResolvers<void>();
  let losses = 0;
  const lock = createKeeperLock({
    url: server.url,
    name: "test-keeper",
    silentMs: SILENT_MS,
    deadlineMs: 200,
    onLost: () => {
      losses += 1;
      resolve();
    },
    ...overrides,
  });
  locks.push(lock);
  return { lock, lost, losses: () => losses };
}

/** Tries as a keeper in waiting does; fails when it takes too long. */
async function takeOver(lock: KeeperLock): Promise<void> {
  const until = performance.now() + WAIT_MAX_MS;
  while (!(await lock.tryAcquire())) {
    if (performance.now() > until) throw new Error("the lock was not to be had");
    await Bun.sleep(20);
  }
}

async function killSession(name: string): Promise<void> {
  await server.database.run(
    "kill",
    (sql) => sql`
      select pg_terminate_backend(pid)
      from pg_stat_activity
      where application_name = ${name} and datname = current_database()`,
  );
}

test("one of many is the keeper, confirms it as often as it likes, and hands over by releasing", async () => {
  const [a, b] = [newLock(), newLock()];

  expect([await a.lock.tryAcquire(), await b.lock.tryAcquire()]).toEqual([true, false]);
  expect([await a.lock.tryAcquire(), a.lock.isOurs(), b.lock.isOurs()]).toEqual([
    true,
    true,
    false,
  ]);
  await a.lock.release();

  expect(a.lock.isOurs()).toBe(false);
  await takeOver(b.lock);
  expect(a.losses()).toBe(0);
  await b.lock.release();
});

test("a keeper whose session ends learns of it at once and another takes over", async () => {
  const [a, b] = [newLock({ name: "keeper-to-kill" }), newLock()];
  await takeOver(a.lock);

  await killSession("keeper-to-kill");
  await a.lost;

  expect(a.lock.isOurs()).toBe(false);
  await takeOver(b.lock);
  expect([b.lock.isOurs(), await a.lock.tryAcquire(), a.losses()]).toEqual([true, false, 1]);
  await b.lock.release();
});

test("a keeper that freezes loses the lock to another, and no longer believes that it has it", async () => {
  const [a, b] = [newLock(), newLock()];
  await takeOver(a.lock);

  await takeOver(b.lock); // a says nothing meanwhile.

  expect([a.lock.isOurs(), b.lock.isOurs()]).toEqual([false, true]);
  await b.lock.release();
});

test("a keeper that was frozen itself does not act on a lock that it may have lost", async () => {
  let nowMs = 0;
  const { lock } = newLock({ now: () => nowMs });
  await takeOver(lock);

  nowMs += SILENT_MS; // Woken, before any news from the server.

  expect(lock.isOurs()).toBe(false);
  expect([await lock.tryAcquire(), lock.isOurs()]).toEqual([true, true]);
  await lock.release();
});

test("a keeper that is cut off gives up before the server gives the lock to another", async () => {
  const proxy = await startFreezingProxy(server.url);
  const [a, b] = [newLock({ url: proxy.url }), newLock()];
  await takeOver(a.lock);
  proxy.freeze();

  expect(await a.lock.tryAcquire()).toBe(false);

  expect([a.lock.isOurs(), a.losses()]).toEqual([false, 1]);
  await takeOver(b.lock);
  proxy.stop();
  await b.lock.release();
});

test("a server that is not there makes nobody the keeper", async () => {
  const { lock } = newLock({ url: "postgres://127.0.0.1:1/none" });

  expect(await lock.tryAcquire()).toBe(false);
});
