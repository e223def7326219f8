import { describe, expect, test } from "bun:test";

import { untilIdle } from "../test/support/clock.ts";
import {
  answer,
  failed,
  type FakeWorld,
  MODEL,
  running,
  startFakeWorld,
} from "../test/support/worker-world.ts";

const ONE = { ...MODEL, concurrency_max: 1 };
/** Lets the worker look again at what it consumes. */
const looked = (world: FakeWorld): Promise<void> => world.clock.advance(500);

describe("each model", () => {
  test("is consumed apart, and no more of it is owned than may run", async () => {
    const world = await startFakeWorld({ actors: 3 }, { m: MODEL, one: ONE });

    expect([...world.prefetches()]).toEqual([
      ["m", 3],
      ["one", 1],
    ]);
  });

  test("that replies at once is owned with what is being concluded, up to four limits", async () => {
    const world = await startFakeWorld();
    world.ports.publishResult = () =>
      new Promise((resolve) => void world.clock.schedule(resolve, 20));
    for (let request = 0; request < 30; request += 1) {
      await world.deliver(`r${request}`);
      await answer(world, `r${request}`);
      await world.clock.advance(20);
    }

    await looked(world);

    expect(world.prefetches().get("m")).toBe(16);
  });

  test("that was fast and has become slow keeps nothing waiting here for seconds", async () => {
    const world = await startFakeWorld();
    for (let request = 0; request < 30; request += 1) {
      await world.deliver(`fast${request}`);
      await answer(world, `fast${request}`);
    }
    await looked(world);
    const owned = world.prefetches().get("m") ?? 0;
    for (let request = 0; request < owned; request += 1) await world.deliver(`slow${request}`);

    await world.clock.advance(2_000);
    for (const id of ["slow0", "slow1", "slow2", "slow3"]) await answer(world, id);
    await looked(world);

    expect(owned).toBe(16);
    expect(world.prefetches().get("m")).toBe(4);
    // The last to come; what came first goes on here.
    expect(world.putOff.map(({ head }) => head.requestId)).toEqual(
      Array.from({ length: 6 }, (_, index) => `slow${index + 10}`),
    );
  });

  test("that takes seconds is owned no more for what is being concluded", async () => {
    const world = await startFakeWorld();
    for (let request = 0; request < 10; request += 1) {
      await world.deliver(`r${request}`);
      await world.clock.advance(2_000);
      await answer(world, `r${request}`);
    }

    expect(world.events.filter((event) => event.startsWith("prefetch"))).toEqual([]);
  });

  test("that wants fewer calls at once is owned less, but not for a little", async () => {
    const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 4 } });
    await world.deliver("a", { request: { userId: "a" } });

    await world.calls[0]?.answer(failed("UPSTREAM_TIMEOUT"));
    await looked(world);
    await world.deliver("b");
    await looked(world);

    expect(world.events.filter((event) => event.startsWith("prefetch"))).toEqual(["prefetch m 2"]);
  });
});

describe("a reloaded configuration", () => {
  test("starts what is new, sizes what has changed and ends what is gone", async () => {
    const world = await startFakeWorld({}, { m: MODEL, gone: MODEL });

    world.config.models = { m: { ...MODEL, concurrency_max: 2 }, fresh: ONE };
    world.worker.reload();
    await untilIdle();

    expect([...world.prefetches()]).toEqual([
      ["m", 2],
      ["fresh", 1],
    ]);
  });

  test("that removes a model keeps what waits for it, and lets what runs end", async () => {
    const world = await startFakeWorld({}, { m: MODEL, gone: ONE });
    const called = await world.deliver("a", { request: { model: "gone" } });
    const waiting = await world.deliver("b", { request: { model: "gone" } });

    world.config.models = { m: MODEL };
    world.worker.reload();
    await untilIdle();
    expect(world.putOff.map(({ head, attempt }) => [head.requestId, attempt])).toEqual([["b", 1]]);
    expect(waiting.conclusions).toEqual(["ack"]);
    expect(world.events).not.toContain("close gone");
    await answer(world, "a");
    await looked(world);

    expect(called.conclusions).toEqual(["ack"]);
    expect(world.results).toMatchObject([{ state: "completed" }]);
    expect(world.events).toContain("close gone");
    expect(world.prefetches().has("gone")).toBe(false);
  });

  test("that removes a model keeps what would be tried again, with the attempt that was made", async () => {
    const world = await startFakeWorld({}, { m: MODEL, gone: ONE });
    await world.deliver("a", { request: { model: "gone" } });

    world.config.models = { m: MODEL };
    world.worker.reload();
    await world.calls[0]?.answer(failed("UPSTREAM_FAILED"));

    expect(world.retries).toEqual([]);
    expect(world.putOff).toMatchObject([{ attempt: 2, lastError: { code: "UPSTREAM_FAILED" } }]);
  });

  test("that makes another model the default consumes both from their new queues", async () => {
    const world = await startFakeWorld({}, { m: MODEL, other: MODEL });
    await world.deliver("a");

    world.config.default_model = "other";
    world.worker.reload();
    await untilIdle();
    const old = world.events.filter((event) => event.startsWith("close"));
    await world.deliver("b");
    await answer(world, "a");
    await answer(world, "b");
    await looked(world);

    // The queue that was left stays open until what came from it has left.
    expect(old).toEqual(["close other"]);
    expect(world.events).toContain("close m");
    expect([...world.prefetches().keys()].toSorted()).toEqual(["m", "other"]);
    expect(world.results).toHaveLength(2);
  });
});

describe("a model whose key is missing", () => {
  const KEYED = { ...MODEL, api_key_env: "THE_KEY" };

  test("is not consumed, and that is said; the others are served", async () => {
    const world = await startFakeWorld({}, { m: MODEL, keyed: KEYED });
    await world.clock.advance(1_000);
    world.worker.observe();

    const [note] = await world.lanes.readWorkers();
    expect([...world.prefetches().keys()]).toEqual(["m"]);
    expect(note).toMatchObject({
      workerId: "this",
      host: "here",
      models: {
        m: { problem: null, limit: 4, underWay: 0, ended: 0 },
        keyed: { problem: "key_missing", limit: 0, underWay: 0, ended: 0 },
      },
    });
    expect(world.metrics.value("worker_model_callable", "m")).toBe(1);
    expect(world.metrics.value("worker_model_callable", "keyed")).toBe(0);
  });

  test("is consumed by a worker that has it", async () => {
    const world = await startFakeWorld({}, { m: MODEL, keyed: KEYED }, { keys: ["THE_KEY"] });

    expect([...world.prefetches().keys()]).toEqual(["m", "keyed"]);
  });

  test("since a reload leaves what waits for it to workers that have it", async () => {
    const world = await startFakeWorld({}, { m: MODEL, other: ONE });
    await world.deliver("a", { request: { model: "other" } });
    await world.deliver("b", { request: { model: "other" } });

    world.config.models = { m: MODEL, other: { ...ONE, api_key_env: "THE_KEY" } };
    world.worker.reload();
    await untilIdle();

    expect(world.events.slice(-2)).toEqual(["again b", "ack b"]);
    expect(world.putOff).toEqual([]);
  });
});

describe("a message of another model than the queue's", () => {
  test("goes to the queue of its own at once, however busy the queue's is, and is not run here", async () => {
    const world = await startFakeWorld({}, { m: ONE, other: ONE });
    await world.deliver("a");

    const stray = await world.deliver("b", { from: "m", request: { model: "other" } });

    expect(world.events.slice(-2)).toEqual(["again b", "ack b"]);
    expect(stray.conclusions).toEqual(["ack"]);
    expect(running(world)).toEqual(["a"]);
    expect(world.worker.snapshot().owned).toBe(1);
  });

  test("is put off when its model is not known here, even if it was delivered often", async () => {
    const world = await startFakeWorld();

    const fresh = await world.deliver("a", { from: "m", request: { model: "new" } });
    const again = await world.deliver("b", {
      from: "m",
      request: { model: "new", attempt: 2 },
      deliveryCount: 2,
    });

    expect(world.results).toEqual([]);
    expect(world.putOff.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect([fresh.conclusions, again.conclusions]).toEqual([["ack"], ["ack"]]);
  });

  test("is published until the broker has it, and only then acked", async () => {
    const world = await startFakeWorld({}, { m: ONE, other: ONE });
    const { publishAgain } = world.ports;
    world.ports.publishAgain = () => Promise.reject(new Error("the broker is away"));
    const stray = await world.deliver("b", { from: "m", request: { model: "other" } });
    await world.clock.advance(5_000);
    const early = [...stray.conclusions];

    world.ports.publishAgain = publishAgain;
    await world.clock.advance(5_000);

    expect([early, stray.conclusions]).toEqual([[], ["ack"]]);
    expect(world.events.filter((event) => event === "again b")).toHaveLength(1);
  });
});

test("a consumer that the broker did not change is changed at the next look", async () => {
  const world = await startFakeWorld();
  const { setPrefetch } = world.consumer;
  world.consumer.setPrefetch = () => Promise.reject(new Error("the broker is away"));
  world.config.models = { m: ONE };
  world.worker.reload();
  await untilIdle();
  const before = world.prefetches().get("m");

  world.consumer.setPrefetch = setPrefetch;
  await looked(world);

  expect([before, world.prefetches().get("m")]).toEqual([4, 1]);
});

test("a worker gives a sign of life each second, and takes its leave when it goes", async () => {
  const world = await startFakeWorld();
  for (const id of ["a", "b", "c"]) await world.deliver(id);
  await answer(world, "b");
  await world.calls[2]?.answer(failed("UPSTREAM_UNAVAILABLE"));
  await world.clock.advance(1_000);
  const [first] = await world.lanes.readWorkers();
  await world.clock.advance(1_000);
  const [second] = await world.lanes.readWorkers();

  const drained = world.worker.drain(1_000);
  await untilIdle();
  const left = await world.lanes.readWorkers();
  await answer(world, "a");
  await drained;

  // What was no execution says nothing about how fast the model is.
  expect(first?.models).toEqual({ m: { problem: null, limit: 4, underWay: 1, ended: 1 } });
  expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBe(1_000);
  expect(left).toEqual([]);
});
