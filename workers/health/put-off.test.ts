import { describe, expect, test } from "bun:test";

import type { RequestError } from "../../core/request/request.ts";
import {
  answer,
  failed,
  type FakeWorld,
  lastErrorOf,
  MODEL,
  running,
  startFakeWorld,
} from "../../test/support/worker-world.ts";

/** A first pause of a second, as by default. */
const M = { ...MODEL, breaker_open_ms: 1_000 };
const of = (userId: string) => ({ request: { userId } });

describe("a call that was no execution", () => {
  test.each([
    "UPSTREAM_UNREACHABLE",
    "UPSTREAM_UNAVAILABLE",
    "UPSTREAM_BUSY",
    "UPSTREAM_REFUSED",
  ] as const)(
    "puts its request off on %s, and uses up no attempt, not even the last",
    async (code) => {
      const world = await startFakeWorld({}, { m: M });
      const delivery = await world.deliver("a", { request: { attempt: 3 } });

      await answer(world, "a", failed(code));

      const lastError = { code, message: "the ML service failed" };
      expect(world.putOff).toMatchObject([{ attempt: 3, head: { requestId: "a" }, lastError }]);
      expect(await lastErrorOf(world, "a")).toEqual(lastError);
      expect(world.events.slice(-3)).toContain("put off a");
      expect(world.events.indexOf("clear a after 2")).toBeLessThan(
        world.events.indexOf("put off a"),
      );
      expect(delivery.conclusions).toEqual(["ack"]);
      expect([world.results, world.retries, world.dead]).toEqual([[], [], []]);
      expect(world.metrics.value("worker_attempts_total", "m", "put_off")).toBe(1);
    },
  );

  test("is logged once for many", async () => {
    const world = await startFakeWorld({}, { m: M });
    for (const id of ["a", "b", "c", "d"]) await world.deliver(id);

    for (const id of ["a", "b", "c", "d"]) await answer(world, id, failed("UPSTREAM_REFUSED"));

    expect(world.putOff).toHaveLength(4);
    expect(world.logs.filter((line) => line === "a request is put off")).toHaveLength(1);
  });

  test("does not keep its request from expiring in its first attempt", async () => {
    const world = await startFakeWorld({}, { m: M });
    await world.deliver("a");
    await answer(world, "a", failed("UPSTREAM_BUSY", 600_000));

    await world.clock.advance(60_001);
    await world.bringBack();

    expect(world.results).toMatchObject([{ state: "expired", attempts: 0 }]);
  });
});

describe("a user in trouble", () => {
  /** Three failed executions pause a user here. */
  async function troubledWorld(): Promise<FakeWorld> {
    const world = await startFakeWorld({}, { m: { ...M, breaker_failures: 3 } });
    for (const id of ["a1", "a2", "a3"]) {
      await world.deliver(id, of("a"));
      await answer(world, id, failed("UPSTREAM_FAILED"));
    }
    return world;
  }

  test("is put off without a call, and others are served meanwhile", async () => {
    const world = await troubledWorld();

    const own = await world.deliver("a4", { request: { userId: "a", attempt: 2 } });
    await world.deliver("b", of("b"));

    const lastError = { code: "UPSTREAM_FAILED", message: "the ML service failed" };
    expect(running(world)).toEqual(["a1", "a2", "a3", "b"]);
    expect(own.conclusions).toEqual(["ack"]);
    expect(world.putOff).toMatchObject([{ attempt: 2, head: { requestId: "a4" }, lastError }]);
    expect(await lastErrorOf(world, "a4", "a")).toEqual(lastError as RequestError);
    expect(world.prefetches().get("m")).toBe(4);
  });

  test("is put off even when all places are taken, and makes room for who is not", async () => {
    const world = await troubledWorld();
    for (const id of ["b1", "b2", "b3", "b4"]) await world.deliver(id, of("b"));

    const own = await world.deliver("a4", of("a"));

    expect(own.conclusions).toEqual(["ack"]);
    expect(world.putOff).toHaveLength(1);
  });

  test("is tried with one request when the pause is over, and served again when that succeeds", async () => {
    const world = await troubledWorld();
    await world.clock.advance(1_000);

    await world.deliver("a4", of("a"));
    await world.deliver("a5", of("a"));
    expect(running(world).slice(3)).toEqual(["a4"]);
    await answer(world, "a4");
    await world.bringBack();

    expect(running(world).slice(3)).toEqual(["a4", "a5"]);
  });

  test("is tried by the next request when the first was cancelled", async () => {
    const world = await troubledWorld();
    await world.clock.advance(1_000);
    await world.deliver("a4", of("a"));

    await world.cancel("a4");
    await world.deliver("a5", of("a"));

    expect(running(world).slice(3)).toEqual(["a4", "a5"]);
  });

  test("is tried one request at a time however long it takes", async () => {
    const world = await troubledWorld();
    await world.clock.advance(1_000);
    await world.deliver("a4", of("a"));

    await world.clock.advance(30_000);
    await world.deliver("a5", of("a"));

    expect(running(world).slice(3)).toEqual(["a4"]);
  });
});

test("that calls succeed is told once a second and user, and only while somebody is in trouble", async () => {
  const world = await startFakeWorld({}, { m: M });
  let told = 0;
  const { changeHealth } = world.ports;
  world.ports.changeHealth = (model, judge) => ((told += 1), changeHealth(model, judge));
  const succeed = async (id: string): Promise<void> => {
    await world.deliver(id, of("b"));
    await answer(world, id);
  };
  await succeed("b1");
  const whileWell = told;
  await world.deliver("a", of("a"));
  await answer(world, "a", failed("UPSTREAM_FAILED"));
  told = 0;

  for (const id of ["b2", "b3", "b4"]) await succeed(id);
  const atOnce = told;
  await world.clock.advance(1_000);
  await succeed("b5");

  expect([whileWell, atOnce, told]).toEqual([0, 1, 2]);
});
