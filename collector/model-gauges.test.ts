import { describe, expect, test } from "bun:test";

import type { LaneView, ModelLane } from "../core/queue/lane.ts";
import { HEALTHY, type ModelHealth } from "../core/queue/model-health.ts";
import { createFakeClock } from "../test/support/clock.ts";
import { recordMetrics } from "../test/support/metrics.ts";
import { createModelGauges } from "./model-gauges.ts";

const START_MS = Date.UTC(2026, 10, 21, 12);
const LANE: ModelLane = {
  mode: "parked",
  allowance: 0,
  ready: 0,
  parked: 12,
  ratePerSecond: 0,
  users: 1,
  weights: 1,
  operatorPause: null,
};
const REFUSED: ModelHealth = {
  ...HEALTHY,
  pause: {
    cause: "refused",
    message: "status 401",
    sinceMs: START_MS,
    pauseMs: 1_000,
    untilMs: START_MS + 1_000,
    probe: null,
  },
};

/** A collector's gauges, and what they read. */
async function setUp() {
  const clock = createFakeClock(START_MS);
  const { metrics, value } = recordMetrics();
  const world = {
    models: ["sim"],
    view: { atMs: 7, models: { sim: LANE } } as LaneView | undefined,
    health: HEALTHY,
    isRedisAway: false,
  };
  const unlessAway = async <Value>(read: Value): Promise<Value> => {
    if (world.isRedisAway) throw new Error("away");
    return read;
  };
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const gauges = createModelGauges(
    {
      now: clock.now,
      schedule: clock.schedule,
      log,
      metrics,
      readView: () => unlessAway(world.view),
      healthOf: (models) =>
        unlessAway(models.map(() => ({ health: world.health, atMs: clock.now() }))),
    },
    () => world.models,
  );
  gauges.start();
  await clock.advance(0);
  return { world, clock, value };
}

describe("what every collector shows of models", () => {
  test("is what waits in PostgreSQL and why nothing is called", async () => {
    const { world, clock, value } = await setUp();
    const before = [value("requests_parked", "sim"), value("model_paused", "sim", "refused")];

    world.health = REFUSED;
    world.view = {
      atMs: 8,
      models: { sim: { ...LANE, operatorPause: { by: "ann", reason: "new GPUs", atMs: 1 } } },
    };
    await clock.advance(5_000);

    expect(before).toEqual([12, 0]);
    expect(value("model_paused", "sim", "refused")).toBe(1);
    expect(value("model_paused", "sim", "operator")).toBe(1);
    expect(value("model_paused", "sim", "busy")).toBe(0);
  });

  test("is nothing for a model that is no longer configured", async () => {
    const { world, clock, value } = await setUp();
    world.health = REFUSED;
    await clock.advance(5_000);

    world.models = ["other"];
    await clock.advance(5_000);

    expect(value("model_paused", "sim", "refused")).toBe(0);
    expect(value("requests_parked", "sim")).toBe(0);
    expect(value("model_paused", "other", "refused")).toBe(1);
  });

  test("stays while Redis is away", async () => {
    const { world, clock, value } = await setUp();

    world.isRedisAway = true;
    await clock.advance(20_000);

    expect(value("requests_parked", "sim")).toBe(12);
  });
});

describe("the silence of the dispatcher", () => {
  test("is the time since its word changed, whatever its clock says", async () => {
    const { world, clock, value } = await setUp();

    await clock.advance(20_000);
    const silent = value("dispatcher_view_age_seconds");
    world.view = { atMs: 8, models: {} };
    await clock.advance(5_000);

    expect([silent, value("dispatcher_view_age_seconds")]).toEqual([20, 0]);
  });

  test("grows while there is no word at all, and while nobody can hear it", async () => {
    const { world, clock, value } = await setUp();

    world.view = undefined;
    await clock.advance(10_000);
    const without = value("dispatcher_view_age_seconds");
    world.isRedisAway = true;
    await clock.advance(10_000);

    expect([without, value("dispatcher_view_age_seconds")]).toEqual([10, 20]);
  });
});
