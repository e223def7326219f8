import { describe, expect, test } from "bun:test";

import { JsonText } from "../../core/json/json-text.ts";
import type { DeltaEntry } from "../../core/request/delta-entry.ts";
import { silentLog } from "../../runtime/log.ts";
import { createFakeClock, untilIdle } from "../../test/support/clock.ts";
import { createFollowers, type Follower } from "./followers.ts";

/** A stream of pieces in memory, each of which is read when the test says so. */
function setUp() {
  const clock = createFakeClock(0);
  const written: DeltaEntry[] = [];
  const reads: (() => void)[] = [];
  let isHeld = false;
  const followers = createFollowers({
    log: silentLog,
    schedule: clock.schedule,
    readDeltas: async (asked) => {
      const replies = asked.map(({ after }) =>
        written.filter(
          ({ position }) => Number(position.split("-")[1]) > Number(after.split("-")[1]),
        ),
      );
      if (isHeld) await new Promise<void>((resolve) => reads.push(resolve));
      return replies;
    },
  });
  const got: string[] = [];
  const follower: Follower = {
    ref: { requestId: "r", userId: "u" },
    after: "0-0",
    isReady: () => true,
    onEntries: (entries) => got.push(...entries.map(({ position }) => position)),
  };
  return {
    ...clock,
    followers,
    follower,
    got,
    write: (number: number) =>
      written.push({ position: `1-${number}`, pieces: [new JsonText("[]")] }),
    hold: () => {
      isHeld = true;
    },
    release: async () => {
      isHeld = false;
      for (const resolve of reads.splice(0)) resolve();
      await untilIdle();
    },
  };
}

describe("who reads along", () => {
  test("gets what comes, in order and once", async () => {
    const { followers, follower, got, write, advance } = setUp();
    followers.follow(follower);

    write(1);
    await advance(20);
    write(2);
    write(3);
    await advance(20);

    expect(got).toEqual(["1-1", "1-2", "1-3"]);
  });

  test("gets nothing twice when they catch up while a look is under way", async () => {
    const { followers, follower, got, write, advance, hold, release } = setUp();
    followers.follow(follower);
    write(1);
    hold();
    await advance(20);

    const caughtUp = followers.catchUp(follower);
    write(2);
    await release();
    await caughtUp;

    expect(got).toEqual(["1-1", "1-2"]);
  });

  test("gets nothing while they are slow, and loses nothing by it", async () => {
    const { followers, follower, got, write, advance } = setUp();
    let isReady = false;
    followers.follow({ ...follower, isReady: () => isReady });

    write(1);
    await advance(100);
    const before = got.length;
    isReady = true;
    await advance(20);

    expect([before, got.length]).toEqual([0, 1]);
  });

  test("costs nothing when nobody reads along any more", async () => {
    const { followers, follower, got, write, advance } = setUp();
    const stop = followers.follow(follower);
    await advance(20);
    stop();

    write(1);
    await advance(100);

    expect(got).toEqual([]);
    expect(followers.count()).toBe(0);
  });
});
