import { expect, test } from "bun:test";
import fc from "fast-check";

import { createWorld, resultOf, type World } from "../../test/support/collector-world.ts";

const IDS = ["a", "b", "c", "d", "e", "f"];
const LATER_MS = 60_000;

type Step =
  | { do: "complete" | "cancel" | "fail"; id: string }
  | { do: "restart" }
  | { do: "crash"; at: "C1" | "C2" | "C3" }
  | { do: "postgres" | "redis"; isDown: boolean }
  | { do: "lose answer" }
  | { do: "wait"; ms: number };

const id = fc.constantFrom(...IDS);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("complete" as const), id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("cancel", "fail"), id }) },
  fc.constant({ do: "restart" as const }),
  fc.record({ do: fc.constant("crash" as const), at: fc.constantFrom("C1", "C2", "C3") }),
  fc.record({ do: fc.constantFrom("postgres", "redis"), isDown: fc.boolean() }),
  fc.constant({ do: "lose answer" as const }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 200 }) }),
);

async function perform(world: World, next: Step): Promise<void> {
  switch (next.do) {
    case "complete":
      return world.publish(resultOf(next.id));
    case "cancel":
      return world.publish(
        resultOf(next.id, { state: "cancelled", usage: null, result: null, attempts: 0 }),
      );
    case "fail":
      return world.publish(
        resultOf(next.id, { state: "failed", usage: null, result: null, attempts: 3 }),
      );
    case "restart":
      // The collector before goes on with what it has, as a frozen process that wakes up would.
      await world.start();
      return undefined;
    case "crash":
      world.crash.at = next.at;
      return undefined;
    case "postgres":
      world.postgres.isAway = next.isDown;
      return undefined;
    case "redis":
      world.redis.isAway = next.isDown;
      return undefined;
    case "lose answer":
      world.postgres.repliesLost += 1;
      return undefined;
    case "wait":
      return world.clock.advance(next.ms);
  }
}

test("each request ends once and is billed at most once, whatever comes twice, dies or is away", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = createWorld({ prefetch: 5, options: { batch_results_max: 3 } });
      world.accept(...IDS);
      await world.start();

      for (const next of steps) await perform(world, next);
      world.postgres.isAway = false;
      world.redis.isAway = false;
      world.postgres.repliesLost = 0;
      await world.start();
      for (const each of IDS) world.publish(resultOf(each));
      await world.clock.advance(LATER_MS);

      const completed = IDS.filter((each) => world.stateOf(each)?.state === "completed");
      const failed = IDS.filter((each) => world.stateOf(each)?.state === "failed");
      expect(IDS.filter((each) => world.stateOf(each)?.state === "queued")).toEqual([]);
      expect(
        world.store
          .ledger()
          .map(({ requestId }) => requestId)
          .sort(),
      ).toEqual([...completed, ...failed].sort());
      expect(world.quota.openHolds().length).toBe(0);
      expect(world.quota.usedTokens("user-1")).toBe(completed.length * 30);
      expect(world.quota.failedExecutions("user-1")).toBe(failed.length * 3);
      expect(world.counts.settles).toBe(IDS.length);
      expect(world.owned() + world.waiting().length).toBe(0);
    }),
    { numRuns: 300 },
  );
});
