import { describe, expect, test } from "bun:test";

import { Fault } from "../../core/faults.ts";
import type { LaneView, ModelLane } from "../../core/queue/lane.ts";
import { createFakeClock } from "../../test/support/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { createLanes } from "./lanes.ts";

const lane = (more: Partial<ModelLane> = {}): ModelLane => ({
  mode: "direct",
  allowance: 2,
  ready: 0,
  parked: 0,
  ratePerSecond: 0,
  users: 0,
  weights: 0,
  operatorPause: null,
  ...more,
});
const viewOf = (atMs: number, models: LaneView["models"]): LaneView => ({ atMs, models });

/** Lanes that have read `view`, which a test may replace; a function is thrown as Redis would. */
async function startWith(view: LaneView | undefined | Fault) {
  const clock = createFakeClock(1_000);
  const world = { view, reads: 0 };
  const lanes = createLanes({
    log: silentLog,
    now: clock.now,
    schedule: clock.schedule,
    readLanes: async () => {
      world.reads += 1;
      if (world.view instanceof Fault) throw world.view;
      return world.view;
    },
  });
  await lanes.start();
  const takes = (count: number, model = "m"): number =>
    Array.from({ length: count }, () => lanes.takeDirect(model)).filter(Boolean).length;
  return { ...clock, world, lanes, takes };
}

describe("leave to publish at once", () => {
  test("is given without end while the dispatcher has said nothing", async () => {
    const { takes } = await startWith(undefined);

    expect(takes(1_000)).toBe(1_000);
  });

  test("is given without end for a model that the dispatcher does not know yet", async () => {
    const { takes } = await startWith(viewOf(1, { other: lane({ mode: "parked" }) }));

    expect(takes(10)).toBe(10);
  });

  test("is given as often as the view allows, and anew by each new view", async () => {
    const { takes, advance, world } = await startWith(viewOf(1, { m: lane() }));

    const first = takes(5);
    await advance(250);
    const same = takes(5);
    world.view = viewOf(2, { m: lane({ allowance: 3 }) });
    await advance(250);

    expect([first, same, takes(5)]).toEqual([2, 0, 3]);
  });

  test("is not given while the model is parked, whatever the view allows", async () => {
    const { takes, advance, world } = await startWith(viewOf(1, { m: lane({ mode: "parked" }) }));

    const parked = takes(5);
    world.view = viewOf(2, { m: lane({ allowance: 5 }) });
    await advance(250);

    expect([parked, takes(5)]).toEqual([0, 5]);
  });

  test("is given anew where nobody renews the view: a dead dispatcher stops nobody", async () => {
    const { takes, advance } = await startWith(viewOf(1, { m: lane(), n: lane() }));

    const given: number[] = [takes(9)];
    for (let time = 0; time < 3; time += 1) {
      await advance(500);
      given.push(takes(9));
    }

    expect(given).toEqual([2, 2, 2, 2]);
  });

  test("goes by the last view while Redis is away, and by none once Redis has lost it", async () => {
    const parked = viewOf(1, { m: lane({ mode: "parked" }) });
    const { takes, advance, world } = await startWith(parked);

    world.view = new Fault("QUOTA_UNAVAILABLE", "away");
    await advance(10_000);
    const whileAway = takes(5);
    world.view = undefined;
    await advance(250);

    expect([whileAway, takes(5)]).toEqual([0, 5]);
  });

  test("is given of a parked model once all keepers must be gone, but not of a paused one", async () => {
    const operatorPause = { by: "ann", reason: "new GPUs", atMs: 0 };
    const parked = lane({ mode: "parked", ratePerSecond: 100 });
    const { takes, advance } = await startWith(
      viewOf(1, { m: parked, n: { ...parked, operatorPause } }),
    );

    await advance(14_000);
    const before = takes(99);
    await advance(2_000);

    expect([before, takes(99), takes(99, "n")]).toEqual([0, 50, 0]);
  });

  test("is read four times a second, and never by who asks", async () => {
    const { takes, advance, world, lanes } = await startWith(viewOf(1, { m: lane() }));

    takes(100);
    await advance(1_000);
    lanes.stop();
    await advance(1_000);

    expect(world.reads).toBe(5);
  });
});
