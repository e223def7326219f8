import { describe, expect, test } from "bun:test";

import { createFakeClock, settleMicrotasks } from "../gateway/fakes/clock.ts";
import { createGather } from "./gather.ts";

describe("gathering", () => {
  function gatherOf(waitMs: number, groupMax = 10) {
    const clock = createFakeClock(0);
    const gather = createGather({ schedule: clock.schedule, now: clock.now, waitMs, groupMax });
    const went: string[] = [];
    const come = async (name: string): Promise<void> => {
      void (async () => {
        await gather();
        went.push(`${name} at ${clock.now()}`);
      })();
      await settleMicrotasks();
    };
    return { clock, come, went };
  }

  test("who comes alone does not wait", async () => {
    const { clock, come, went } = gatherOf(3);

    await come("first");
    await clock.advance(4);
    await come("much later");

    expect(went).toEqual(["first at 0", "much later at 4"]);
  });

  test("those that come close to each other go on at the same instant, the first of them after the wait", async () => {
    const { clock, come, went } = gatherOf(3);

    await come("first");
    await clock.advance(1);
    await come("second");
    await clock.advance(2);
    await come("third");
    await clock.advance(10);

    expect(went).toEqual(["first at 0", "second at 4", "third at 4"]);
  });

  test("a group that is full goes on without waiting for the time", async () => {
    const { come, went } = gatherOf(3, 2);

    await come("first");
    await come("second");
    await come("third");
    await come("fourth");

    expect(went).toEqual(["first at 0", "second at 0", "third at 0"]);
  });

  test("nobody waits when the wait is 0", async () => {
    const { come, went } = gatherOf(0);

    await come("first");
    await come("second");
    await come("third");

    expect(went).toEqual(["first at 0", "second at 0", "third at 0"]);
  });
});
