import { expect, test } from "bun:test";

import { createWorld } from "../../test/support/collector-world.ts";
import { createLimits } from "./limits.ts";

const { signal } = new AbortController();

function setUp(applied: string | undefined, configured: string) {
  const world = createWorld();
  const state = { applied, configured };
  const forgotten: string[] = [];
  const stored: string[] = [];
  const limits = createLimits(
    {
      ...world.ports,
      tiers: () => state.configured,
      storeTiers: async () => void stored.push(state.configured),
      appliedTiers: async () => state.applied,
      noteAppliedTiers: async (tiers) => void (state.applied = tiers),
      userIds: async (after) =>
        after === null ? { items: ["a"], next: "a" } : { items: ["b"], next: null },
      forgetUsers: async (userIds) => void forgotten.push(...userIds),
    },
    { everyMs: 5_000 },
  );
  const rounds = async (seconds: number): Promise<void> => {
    for (let past = 0; past < seconds; past += 5) {
      await limits.run(signal);
      await world.clock.advance(5_000);
    }
  };
  return { state, forgotten, stored, rounds };
}

test("after a change of tiers all users are loaded anew, and again when all gateways know it", async () => {
  const { state, forgotten, rounds } = setUp("old", "new");

  await rounds(60);
  const atOnce = [...forgotten];
  const appliedMeanwhile = state.applied;
  await rounds(240);

  expect(atOnce).toEqual(["a", "b"]);
  expect(appliedMeanwhile).not.toBe("new");
  expect(forgotten).toEqual(["a", "b", "a", "b"]);
  expect(state.applied).toBe("new");
});

test.each([undefined, "same"])(
  "tiers that are applied, or not known to Redis, forget nobody: %s",
  async (applied) => {
    const { state, forgotten, rounds } = setUp(applied, "same");

    await rounds(300);

    expect(forgotten).toEqual([]);
    expect(state.applied).toBe("same");
  },
);

test.each(["newer", "old"])(
  "tiers that change to %s meanwhile are applied at once",
  async (then) => {
    const { state, forgotten, rounds } = setUp("old", "new");
    await rounds(10);

    state.configured = then;
    await rounds(10);

    expect(forgotten).toEqual(["a", "b", "a", "b"]);
  },
);

test("what tiers allow is stored once, and again when they change", async () => {
  const { state, stored, rounds } = setUp("first", "first");
  await rounds(30);

  state.configured = "second";
  await rounds(30);

  expect(stored).toEqual(["first", "second"]);
});
