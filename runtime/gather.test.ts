import { describe, expect, test } from "bun:test";

import { createFakeClock, untilIdle } from "../test/support/clock.ts";
import { createGather } from "./gather.ts";

function gatherOf(isEager: boolean, waitMs: number, groupMax = 10) {
  const clock = createFakeClock(0);
  const { schedule, now } = clock;
  const together = createGather({ schedule, now, waitMs, groupMax, isEager });
  const began: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<void>>();
  const come = async (name: string): Promise<void> => {
    const end = Promise.withResolvers<void>();
    ends.set(name, end);
    const task = async (): Promise<void> => {
      began.push(`${name} at ${now()}`);
      await end.promise;
    };
    together(task).catch(() => {});
    await untilIdle();
  };
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.resolve();
    await untilIdle();
  };
  const fail = async (name: string): Promise<void> => {
    ends.get(name)?.reject(new Error("no"));
    await untilIdle();
  };
  return { clock, come, end, fail, began };
}

describe("gathering where somebody waits for the end", () => {
  test("who comes while nothing is under way begins at once, however short ago the last came", async () => {
    const { come, end, began } = gatherOf(true, 3);

    await come("first");
    await end("first");
    await come("second");

    expect(began).toEqual(["first at 0", "second at 0"]);
  });

  test("those that come while something is under way begin together when it has ended", async () => {
    const { clock, come, end, began } = gatherOf(true, 3);

    await come("first");
    await clock.advance(1);
    await come("second");
    await come("third");
    await clock.advance(1);
    await end("first");

    expect(began).toEqual(["first at 0", "second at 2", "third at 2"]);
  });

  test("they begin when the last of several has ended, also by an error", async () => {
    const { come, end, fail, began } = gatherOf(true, 3, 2);

    await come("first");
    await come("second");
    await come("third");
    await come("fourth");
    await end("first");
    await end("second");
    const beforeTheLast = began.length;
    await fail("third");

    expect(beforeTheLast).toBe(3);
    expect(began).toEqual(["first at 0", "second at 0", "third at 0", "fourth at 0"]);
  });

  test("nobody waits longer than the wait, from the first of a group on", async () => {
    const { clock, come, began } = gatherOf(true, 3);

    await come("first");
    await clock.advance(1);
    await come("second");
    await clock.advance(2);
    await come("third");
    await clock.advance(10);

    expect(began).toEqual(["first at 0", "second at 4", "third at 4"]);
  });

  test("a group that is full begins without waiting", async () => {
    const { come, began } = gatherOf(true, 3, 2);

    await come("first");
    await come("second");
    await come("third");
    await come("fourth");

    expect(began).toEqual(["first at 0", "second at 0", "third at 0"]);
  });
});

describe("gathering for the largest groups", () => {
  test("who comes with hardly anybody near does not wait", async () => {
    const { clock, come, began } = gatherOf(false, 3);

    await come("first");
    await come("second");
    await come("third");
    await clock.advance(4);
    await come("much later");

    expect(began).toEqual(["first at 0", "second at 0", "third at 0", "much later at 4"]);
  });

  test("those that come close together begin together after the wait, whatever is under way", async () => {
    const { clock, come, end, began } = gatherOf(false, 3);

    for (const name of ["first", "second", "third"]) await come(name);
    await clock.advance(1);
    await come("fourth");
    await end("first");
    await clock.advance(2);
    await come("fifth");
    await clock.advance(10);

    expect(began.slice(3)).toEqual(["fourth at 4", "fifth at 4"]);
  });
});

test.each([true, false])("nobody waits when the wait is 0, eager or not (%p)", async (isEager) => {
  const { come, began } = gatherOf(isEager, 0);

  await come("first");
  await come("second");
  await come("third");

  expect(began).toEqual(["first at 0", "second at 0", "third at 0"]);
});
