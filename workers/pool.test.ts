import { describe, expect, test } from "bun:test";

import type { InferenceOutcome } from "../core/attempt/outcome.ts";
import { untilIdle } from "../test/support/clock.ts";
import {
  answered,
  failed,
  type FakeWorld,
  MODEL,
  startFakeWorld,
} from "../test/support/worker-world.ts";

const running = (world: FakeWorld): string[] =>
  world.events.filter((event) => event.startsWith("call ")).map((event) => event.slice(5));

async function answer(
  world: FakeWorld,
  id: string,
  outcome: InferenceOutcome = answered,
): Promise<void> {
  await world.calls.findLast(({ requestId }) => requestId === id)?.answer(outcome);
}

describe("turns", () => {
  test("are given in order of arrival within the model's limit", async () => {
    const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 2 } });
    for (const id of ["a", "b", "c", "d"]) await world.deliver(id);
    expect(running(world)).toEqual(["a", "b"]);

    await answer(world, "b");

    expect(running(world)).toEqual(["a", "b", "c"]);
  });

  test("of one model are not held up by another that is at its limit", async () => {
    const one = { ...MODEL, concurrency_max: 1 };
    const world = await startFakeWorld({}, { m: one, other: one });
    await world.deliver("a");
    await world.deliver("b");

    await world.deliver("c", { request: { model: "other" } });

    expect(running(world)).toEqual(["a", "c"]);
  });

  test("never exceed the number of actors", async () => {
    const world = await startFakeWorld({ actors: 2 });

    for (const id of ["a", "b", "c"]) await world.deliver(id);

    expect(running(world)).toEqual(["a", "b"]);
    expect(world.worker.snapshot()).toMatchObject({ actors: { idle: 0, busy: 2 }, waiting: 1 });
  });

  test("free the model's slot with the answer, not with the confirm", async () => {
    const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 1 } });
    world.ports.publishResult = () => new Promise(() => {});
    await world.deliver("a");
    await world.deliver("b");

    await answer(world, "a");

    expect(running(world)).toEqual(["a", "b"]);
  });

  test("that end without an answer leave the model's slot to the next", async () => {
    const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 1 } });
    await world.hints.markCancelled({ userId: "user", requestId: "a" });
    await world.deliver("a");
    await world.deliver("b");
    await world.calls[0]?.fail(new Error("a bug"));

    await world.deliver("c");

    expect(running(world)).toEqual(["b", "c"]);
  });

  test("follow a reloaded limit from the next attempt on", async () => {
    const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 1 } });
    for (const id of ["a", "b", "c"]) await world.deliver(id);

    world.config.models = { m: { ...MODEL, concurrency_max: 3, concurrency_min: 3 } };
    await answer(world, "a");

    expect(running(world)).toEqual(["a", "b", "c"]);
  });

  test("of suspects come one at a time, and neighbours run meanwhile", async () => {
    const world = await startFakeWorld();
    await world.deliver("suspect 1", { deliveryCount: 2 });
    await world.deliver("suspect 2", { deliveryCount: 2 });
    await world.deliver("neighbour");
    expect(running(world)).toEqual(["suspect 1", "neighbour"]);

    await answer(world, "suspect 1");

    expect(running(world)).toEqual(["suspect 1", "neighbour", "suspect 2"]);
  });

  test("are not spent on a delivery whose channel went while it waited", async () => {
    const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 1 } });
    await world.deliver("a");
    const lost = await world.deliver("b");

    lost.loseChannel();
    await answer(world, "a");

    expect(running(world)).toEqual(["a"]);
    expect(world.worker.snapshot().owned).toBe(0);
  });
});

describe("a model in trouble", () => {
  test("gets fewer attempts at once after a 429", async () => {
    const world = await startFakeWorld();
    for (const id of ["a", "b", "c", "d", "e"]) await world.deliver(id);

    await answer(world, "a", failed("UPSTREAM_BUSY"));

    expect(world.worker.snapshot().models["m"]).toEqual({
      underWay: 3,
      limit: 2,
      breaker: "closed",
      waiting: 1,
    });
    expect(running(world)).toEqual(["a", "b", "c", "d"]);
  });

  test("shows in the gauges when they are asked for", async () => {
    const told: Record<string, number> = {};
    const gauge = (name: string) => ({
      set: (value: number, ...labels: string[]) => void (told[[name, ...labels].join(" ")] = value),
    });
    const world = await startFakeWorld();
    Object.assign(world.ports.metrics, {
      worker_actors: gauge("actors"),
      worker_concurrency_limit: gauge("limit"),
      worker_breaker_open: gauge("open"),
      worker_deliveries_waiting: gauge("waiting"),
    });
    for (const id of ["a", "b", "c", "d", "e"]) await world.deliver(id);
    await answer(world, "a", failed("UPSTREAM_BUSY"));

    world.worker.observe();

    expect(told).toEqual({
      "actors idle": 1,
      "actors busy": 3,
      "actors draining": 0,
      "limit m": 2,
      "open m": 0,
      "waiting m": 1,
    });
  });

  test("gets no attempts while its breaker is open, then one probe, then all again", async () => {
    const world = await startFakeWorld();
    for (const id of ["a", "b", "c"]) await world.deliver(id);
    for (const id of ["a", "b", "c"]) await answer(world, id, failed("UPSTREAM_FAILED"));
    for (const id of ["d", "e"]) await world.deliver(id);
    expect(running(world)).toEqual(["a", "b", "c"]);

    await world.clock.advance(5_000);
    expect(running(world)).toEqual(["a", "b", "c", "d"]);
    await answer(world, "d");

    expect(running(world)).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("is probed in time by what waited already when its breaker opened", async () => {
    const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 3 } });
    for (const id of ["a", "b", "c", "d"]) await world.deliver(id);
    for (const id of ["a", "b"]) await answer(world, id, failed("UPSTREAM_FAILED"));
    await world.deliver("e");
    await world.deliver("f");
    for (const id of ["c"]) await answer(world, id, failed("UPSTREAM_FAILED"));
    expect(running(world)).toEqual(["a", "b", "c", "d", "e"]);

    await world.clock.advance(5_000);

    expect(running(world)).toEqual(["a", "b", "c", "d", "e", "f"]);
  });

  test("is probed by the next one when the probe was cancelled", async () => {
    const world = await startFakeWorld();
    for (const id of ["a", "b", "c"]) await world.deliver(id);
    for (const id of ["a", "b", "c"]) await answer(world, id, failed("UPSTREAM_UNREACHABLE"));
    for (const id of ["d", "e"]) await world.deliver(id);
    await world.clock.advance(5_000);

    await world.cancel("d");

    expect(running(world)).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("has what waits for it too long parked without burning an attempt", async () => {
    const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 1 } });
    await world.deliver("a");
    const waiting = await world.deliver("b");

    await world.clock.advance(20_000);

    expect(world.retries[0]).toMatchObject({
      request: { attempt: 1, head: { requestId: "b" } },
      delay: { stepMs: 5_000 },
    });
    expect(waiting.conclusions).toEqual(["ack"]);
    expect(world.worker.snapshot()).toMatchObject({ owned: 1, waiting: 0 });
  });

  test("is not blamed when it is an actor that is missing: such a delivery keeps its place", async () => {
    const world = await startFakeWorld({ actors: 1 });
    await world.deliver("a");
    await world.deliver("b");

    await world.clock.advance(60_000);
    await answer(world, "a");

    expect(world.retries).toEqual([]);
    expect(running(world)).toEqual(["a", "b"]);
  });
});

test("after everything has ended no timer and no delivery is left", async () => {
  const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 1 } });
  for (const id of ["a", "b", "c"]) await world.deliver(id);

  for (const id of ["a", "b", "c"]) await answer(world, id);
  await untilIdle();

  expect(world.worker.snapshot()).toMatchObject({ owned: 0, waiting: 0 });
  await world.clock.advance(20_000);
  expect(world.clock.timerCount()).toBe(0);
});
