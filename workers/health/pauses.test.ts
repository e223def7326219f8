import { describe, expect, test } from "bun:test";

import type { OperatorPause, LaneView } from "../../core/queue/lane.ts";
import { untilIdle } from "../../test/support/clock.ts";
import {
  answer,
  answered,
  createSharedWorld,
  failed,
  type FakeWorld,
  MODEL,
  running,
  startFakeWorld,
} from "../../test/support/worker-world.ts";

/** A first pause of a second, as by default. */
const M = { ...MODEL, breaker_open_ms: 1_000 };
const of = (userId: string) => ({ request: { userId } });

/** The model is paused because its service could not be reached; what met that is put off. */
async function pausedWorld(options: Parameters<typeof startFakeWorld>[2] = {}): Promise<FakeWorld> {
  const world = await startFakeWorld({}, { m: M }, options);
  await world.deliver("first");
  await answer(world, "first", failed("UPSTREAM_UNREACHABLE"));
  return world;
}

const laneView = (operatorPause: OperatorPause | null): LaneView => ({
  atMs: 0,
  models: {
    m: {
      mode: "direct",
      allowance: 100,
      ready: 0,
      parked: 0,
      ratePerSecond: 0,
      users: 0,
      weights: 0,
      operatorPause,
    },
  },
});

describe("a paused model", () => {
  test("is not consumed, and what waits for it here goes back to its queue", async () => {
    const world = await startFakeWorld({}, { m: { ...M, concurrency_max: 2 } });
    for (const id of ["a", "b", "c"]) await world.deliver(id);
    const suspect = await world.deliver("suspect", { deliveryCount: 2 });

    await answer(world, "a", failed("UPSTREAM_UNREACHABLE"));

    expect(world.prefetches().get("m")).toBe(0);
    expect(running(world)).toEqual(["a", "b"]);
    expect(world.events).toContain("again c");
    // As new: being requeued at each pause would make it a poison message.
    expect(suspect.conclusions).toEqual(["ack"]);
    expect(world.worker.snapshot()).toMatchObject({ owned: 1, waiting: 0 });
    await answer(world, "b");
    expect(world.results).toHaveLength(1);
  });

  test("is tried with one request when its pause is over, and served again when that succeeds", async () => {
    const world = await pausedWorld();
    await world.clock.advance(999);
    expect(world.prefetches().get("m")).toBe(0);

    await world.clock.advance(501);
    expect(world.prefetches().get("m")).toBe(1);
    await world.bringBack();
    expect([running(world), world.prefetches().get("m")]).toEqual([["first", "first"], 0]);
    await answer(world, "first");

    expect(world.results).toMatchObject([{ state: "completed", attempts: 1 }]);
    expect(world.prefetches().get("m")).toBeGreaterThanOrEqual(4);
    expect((await world.health.read(["m"]))[0]?.health.pause).toBeNull();
  });

  test("stays paused twice as long each time that it is tried in vain", async () => {
    const world = await pausedWorld();
    const probedAtMs: number[] = [];
    for (let probe = 0; probe < 4; probe += 1) {
      while (world.prefetches().get("m") !== 1) await world.clock.advance(100);
      probedAtMs.push(world.clock.now() - 1_000_000);
      await world.bringBack();
      await answer(world, "first", failed("UPSTREAM_UNREACHABLE"));
    }

    expect(world.putOff).toMatchObject([{ attempt: 1 }]);
    const pausesMs = probedAtMs.map((atMs, probe) => atMs - (probedAtMs[probe - 1] ?? 0));
    for (const [probe, pauseMs] of pausesMs.entries()) {
      expect(pauseMs).toBeWithin(1_000 * 2 ** probe, 1_000 * 2 ** probe + 601);
    }
  });

  test("is tried by one of all workers at a time", async () => {
    const shared = createSharedWorld();
    const world = await pausedWorld({ shared });
    const other = await startFakeWorld({}, { m: M }, { shared, workerId: "other" });
    expect(other.prefetches().get("m") ?? 0).toBe(0);

    await shared.clock.advance(1_500);
    const awaiting = [world, other].filter(({ prefetches }) => prefetches().get("m") === 1);
    const [prober] = awaiting;
    await prober?.deliver("a");
    await prober?.calls.at(-1)?.answer(answered);
    await untilIdle();

    expect(awaiting).toHaveLength(1);
    for (const { prefetches } of [world, other]) {
      expect(prefetches().get("m")).toBeGreaterThanOrEqual(4);
    }
  });

  test("is left to another worker when nothing comes to try it with", async () => {
    const shared = createSharedWorld();
    const world = await pausedWorld({ shared });
    await shared.clock.advance(1_500);
    const other = await startFakeWorld({}, { m: M }, { shared, workerId: "other" });
    expect(world.prefetches().get("m")).toBe(1);

    await shared.clock.advance(5_500);

    expect(world.prefetches().get("m")).toBe(0);
    expect(other.prefetches().get("m")).toBe(1);
  });

  test("is tried by another worker soon when the one that tried has died", async () => {
    const shared = createSharedWorld();
    const dead = await pausedWorld({ shared });
    await shared.clock.advance(1_500);
    await dead.deliver("a");
    dead.ports.changeHealth = () => new Promise(() => {});
    const other = await startFakeWorld({}, { m: M }, { shared, workerId: "other" });

    await shared.clock.advance(11_000);

    expect(other.prefetches().get("m")).toBe(1);
  });

  test("stays with the worker that tries it however long the call takes", async () => {
    const shared = createSharedWorld();
    const world = await pausedWorld({ shared });
    await shared.clock.advance(1_500);
    await world.deliver("slow");
    const other = await startFakeWorld({}, { m: M }, { shared, workerId: "other" });

    await shared.clock.advance(60_000);

    expect(other.prefetches().get("m") ?? 0).toBe(0);
    await answer(world, "slow");
    await untilIdle();
    expect(other.prefetches().get("m")).toBe(4);
  });

  test("is tried by the next request when the first was cancelled", async () => {
    const world = await pausedWorld();
    await world.clock.advance(1_500);
    await world.deliver("a");

    await world.cancel("a");
    await world.clock.advance(500);
    expect(world.prefetches().get("m")).toBe(1);
    await world.deliver("b");

    expect(running(world)).toEqual(["first", "a", "b"]);
  });

  test("is given back by a worker that ends", async () => {
    const shared = createSharedWorld();
    const world = await pausedWorld({ shared });
    await shared.clock.advance(1_500);
    const other = await startFakeWorld({}, { m: M }, { shared, workerId: "other" });

    await world.worker.drain(1_000);
    await shared.clock.advance(500);

    expect(other.prefetches().get("m")).toBe(1);
  });

  test("delays no other model", async () => {
    const world = await startFakeWorld({}, { m: M, other: M });
    await world.deliver("a");
    await answer(world, "a", failed("UPSTREAM_UNREACHABLE"));

    await world.deliver("b", { request: { model: "other" } });

    expect(running(world)).toEqual(["a", "b"]);
  });

  test("is paused by all workers as soon as one finds out", async () => {
    const shared = createSharedWorld();
    const other = await startFakeWorld({}, { m: M }, { shared, workerId: "other" });

    await pausedWorld({ shared });
    await untilIdle();

    expect(other.prefetches().get("m")).toBe(0);
  });

  test("is told by its cause in a metric and in the log, and so is its end", async () => {
    const world = await startFakeWorld({}, { m: M });
    for (const userId of ["u1", "u2"]) {
      await world.deliver(userId, of(userId));
      await answer(world, userId, failed("UPSTREAM_REFUSED"));
    }
    world.worker.observe();
    const paused = world.metrics.value("model_paused", "m", "refused");
    await world.clock.advance(1_500);
    await world.bringBack();
    await answer(world, "u1");
    world.worker.observe();

    expect(paused).toBe(1);
    expect(world.metrics.value("model_paused", "m", "refused")).toBe(0);
    expect(world.logs.filter((line) => line.includes("model"))).toEqual([
      "a model is paused",
      "a paused model is tried",
      "a model is called again",
    ]);
  });
});

describe("a model that an operator has paused", () => {
  const pause = { by: "ann", reason: "new GPUs", atMs: 0 };

  test("is not consumed nor tried until it is resumed, also after a lost view", async () => {
    const world = await startFakeWorld({}, { m: M });
    await world.lanes.writeView(laneView(pause));
    await world.clock.advance(500);
    world.worker.observe();
    const paused = world.metrics.value("model_paused", "m", "operator");
    world.lanes.forgetView();
    await world.clock.advance(60_000);
    const later = world.prefetches().get("m");

    await world.lanes.writeView(laneView(null));
    await world.clock.advance(500);
    world.worker.observe();

    expect([paused, later]).toEqual([1, 0]);
    expect(world.prefetches().get("m")).toBe(4);
    expect(world.metrics.value("model_paused", "m", "operator")).toBe(0);
  });

  test("is paused at once when that is announced", async () => {
    const world = await startFakeWorld({}, { m: M });
    await world.lanes.writeView(laneView(pause));

    await world.signals.announceModelChange("m");
    await untilIdle();

    expect(world.prefetches().get("m")).toBe(0);
  });

  test("is not consumed by a worker that starts", async () => {
    const world = await startFakeWorld(
      {},
      { m: M },
      { prepare: ({ lanes }) => lanes.writeView(laneView(pause)) },
    );

    expect(world.prefetches().get("m") ?? 0).toBe(0);
  });
});
