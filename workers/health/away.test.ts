import { describe, expect, test } from "bun:test";

import {
  answer,
  createSharedWorld,
  failed,
  MODEL,
  running,
  startFakeWorld,
} from "../../test/support/worker-world.ts";

/** A first pause of a second, as by default. */
const M = { ...MODEL, breaker_open_ms: 1_000 };
const of = (userId: string) => ({ request: { userId } });

describe("while Redis is away", () => {
  test("a worker pauses, tries and resumes a model by its own judgement", async () => {
    const world = await startFakeWorld({}, { m: M });
    world.redis.isAway = true;
    await world.deliver("a");
    await answer(world, "a", failed("UPSTREAM_UNREACHABLE"));
    const paused = world.prefetches().get("m");

    await world.clock.advance(1_500);
    const tried = world.prefetches().get("m");
    await world.bringBack();
    await answer(world, "a");

    expect([paused, tried, world.prefetches().get("m")]).toEqual([0, 1, 4]);
    expect(world.results).toHaveLength(1);
  });

  test("one user's failures count once each, and slow that user alone", async () => {
    const world = await startFakeWorld({}, { m: { ...M, breaker_failures: 3 } });
    world.redis.isAway = true;
    for (const id of ["a1", "a2"]) {
      await world.deliver(id, of("a"));
      await answer(world, id, failed("UPSTREAM_FAILED"));
    }
    await world.deliver("a3", of("a"));
    expect(running(world)).toEqual(["a1", "a2", "a3"]);

    await answer(world, "a3", failed("UPSTREAM_FAILED"));
    await world.deliver("a4", of("a"));
    await world.deliver("b", of("b"));

    expect(running(world)).toEqual(["a1", "a2", "a3", "b"]);
  });

  test("what is known stays in force, and the shared record when Redis is back", async () => {
    const shared = createSharedWorld();
    const world = await startFakeWorld({}, { m: M }, { shared });
    await world.deliver("a");
    await answer(world, "a", failed("UPSTREAM_UNREACHABLE"));
    shared.redis.isAway = true;
    await shared.clock.advance(800);
    const away = world.prefetches().get("m");
    shared.redis.isAway = false;
    await shared.health.change("m", ({ health }) => ({ ...health, pause: null }));

    await shared.clock.advance(500);

    expect([away, world.prefetches().get("m")]).toEqual([0, 4]);
  });
});
