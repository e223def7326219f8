import { expect, test } from "bun:test";

import { createWorld } from "../../test/support/collector-world.ts";
import { createFakeKeeperLocks } from "../../test/support/fakes/keeper-lock.ts";
import { createWalk, type Duty } from "./duty.ts";
import { runDuties } from "./keeper.ts";

const SECOND_MS = 1_000;

function setUp(silentMs = 3 * SECOND_MS) {
  const world = createWorld();
  const locks = createFakeKeeperLocks({ now: world.clock.now, silentMs });
  const runs: string[] = [];
  const keeperOf = (name: string, run: Duty["run"] = async () => {}) => {
    const duty: Duty = {
      name: "count",
      everyMs: SECOND_MS,
      run: (signal) => {
        runs.push(name);
        return run(signal);
      },
    };
    return runDuties({ ...world.ports, lock: locks.lockOf(name) }, [duty], SECOND_MS);
  };
  return { world, locks, runs, keeperOf };
}

test("one of two collectors performs the duties, the other takes over within seconds", async () => {
  const { world, runs, keeperOf } = setUp();
  const [first, second] = [keeperOf("first"), keeperOf("second")];
  first.start();
  second.start();
  await world.clock.advance(5 * SECOND_MS);
  expect(new Set(runs)).toEqual(new Set(["first"]));
  runs.length = 0;

  const stopped = first.stop();
  await world.clock.advance(2 * SECOND_MS);
  await stopped;

  expect(runs[0]).toBe("second");
  expect(world.metric("keeper_active")).toBe(1);
});

test("a keeper that loses the lock stops its duties and competes again", async () => {
  const { world, locks, runs, keeperOf } = setUp(60 * SECOND_MS);
  const other = locks.lockOf("somebody else");
  keeperOf("first").start();
  await world.clock.advance(2 * SECOND_MS);

  locks.killSession("first");
  await other.tryAcquire();
  await world.clock.advance(2 * SECOND_MS);
  const before = runs.length;
  await world.clock.advance(10 * SECOND_MS);
  expect(runs.length).toBe(before);
  expect(world.metric("keeper_active")).toBe(0);

  await other.release();
  await world.clock.advance(3 * SECOND_MS);
  expect(runs.length).toBeGreaterThan(before);
});

test("a keeper asks for its lock again and again, because silence loses it", async () => {
  const { world, locks, runs, keeperOf } = setUp();
  keeperOf("first").start();

  await world.clock.advance(20 * SECOND_MS);

  expect(await locks.lockOf("second").tryAcquire()).toBe(false);
  expect(runs.length).toBeGreaterThanOrEqual(20);
  expect(world.logged.filter((line) => line === "this collector is the keeper")).toHaveLength(1);
});

test("a duty that fails is tried again and logged once, not every time", async () => {
  const { world, runs, keeperOf } = setUp();
  keeperOf("first", () => Promise.reject(new Error("away"))).start();

  await world.clock.advance(10 * SECOND_MS);

  expect(runs.length).toBeGreaterThan(5);
  expect(world.logged.filter((line) => line === "a duty failed")).toHaveLength(1);
});

test("stopping waits for the duty under way, and no round begins after it", async () => {
  const { world, runs, keeperOf } = setUp();
  const gate = Promise.withResolvers<void>();
  const keeper = keeperOf("first", () => gate.promise);
  keeper.start();
  await world.clock.advance(SECOND_MS);

  let isStopped = false;
  const stopped = keeper.stop().then(() => {
    isStopped = true;
  });
  await world.clock.advance(SECOND_MS);
  expect(isStopped).toBe(false);
  gate.resolve();
  await stopped;

  expect(runs).toEqual(["first"]);
});

test("one that is stopped while it asks for the lock does not begin, and gives the lock up", async () => {
  const { locks, runs, keeperOf } = setUp();
  const keeper = keeperOf("first");

  keeper.start();
  await keeper.stop();

  expect(runs).toEqual([]);
  expect(await locks.lockOf("second").tryAcquire()).toBe(true);
});

test("a walk goes on where it stopped, reads a failed page again, and begins anew at the end", async () => {
  const pages = ["0", "1", "2"];
  const seen: string[] = [];
  const walk = createWalk(async (after) => {
    const index = after === null ? 0 : Number(after);
    return { items: pages.slice(index, index + 1), next: index < 2 ? String(index + 1) : null };
  }, 2);
  const { signal } = new AbortController();
  const note = async (items: string[]): Promise<void> => void seen.push(...items);

  const ends = [await walk(note, signal)];
  await walk(() => Promise.reject(new Error("away")), signal).catch(() => {});
  ends.push(await walk(note, signal), await walk(note, signal));

  expect(seen).toEqual(["0", "1", "2", "0", "1"]);
  expect(ends).toEqual([false, true, false]);
});
