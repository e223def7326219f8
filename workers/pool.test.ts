import { describe, expect, test } from "bun:test";

import { untilIdle } from "../test/support/clock.ts";
import { answer, failed, MODEL, running, startFakeWorld } from "../test/support/worker-world.ts";

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

  test("of one model never exceed the number of actors, whatever others do", async () => {
    const world = await startFakeWorld({ actors: 2 }, { m: MODEL, other: MODEL });

    for (const id of ["a", "b", "c"]) await world.deliver(id);
    for (const id of ["d", "e", "f"]) await world.deliver(id, { request: { model: "other" } });

    expect(running(world)).toEqual(["a", "b", "d", "e"]);
    expect(world.worker.snapshot()).toMatchObject({ actors: { idle: 0, busy: 4 }, waiting: 2 });
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

  test("of a suspect are not held up by a suspect of a model that is at its limit", async () => {
    const one = { ...MODEL, concurrency_max: 1 };
    const world = await startFakeWorld({}, { m: one, other: one });
    await world.deliver("a");
    await world.deliver("suspect", { deliveryCount: 2 });

    await world.deliver("other suspect", { deliveryCount: 2, request: { model: "other" } });

    expect(running(world)).toEqual(["a", "other suspect"]);
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

describe("a model that wants fewer calls at once", () => {
  test.each([
    ["a 429", failed("UPSTREAM_BUSY")],
    ["a timeout", failed("UPSTREAM_TIMEOUT")],
  ])("gets fewer after %s", async (_name, outcome) => {
    const world = await startFakeWorld();
    for (const id of ["a", "b", "c", "d", "e"]) {
      await world.deliver(id, { request: { userId: id } });
    }

    await answer(world, "a", outcome);

    expect(world.worker.snapshot().models["m"]).toMatchObject({ underWay: 3, limit: 2 });
    expect(running(world)).toEqual(["a", "b", "c", "d"]);
  });

  test("shows in the gauges when they are asked for", async () => {
    const world = await startFakeWorld();
    for (const id of ["a", "b", "c", "d", "e"]) {
      await world.deliver(id, { request: { userId: id } });
    }
    await answer(world, "a", failed("UPSTREAM_TIMEOUT"));

    world.worker.observe();

    const { value } = world.metrics;
    expect([value("worker_actors", "idle"), value("worker_actors", "busy")]).toEqual([0, 3]);
    expect(value("worker_concurrency_limit", "m")).toBe(2);
    expect(value("worker_deliveries_waiting", "m")).toBe(1);
  });
});

test("after everything has ended no timer of it and no delivery is left", async () => {
  const world = await startFakeWorld({}, { m: { ...MODEL, concurrency_max: 1 } });
  for (const id of ["a", "b", "c"]) await world.deliver(id);

  for (const id of ["a", "b", "c"]) await answer(world, id);
  await untilIdle();

  expect(world.worker.snapshot()).toMatchObject({ owned: 0, waiting: 0 });
  await world.clock.advance(20_000);
  expect(world.clock.timerCount()).toBe(world.timersAtRest);
});
