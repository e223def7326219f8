import { expect, test } from "bun:test";

import { Fault } from "../../core/faults.ts";
import type { ParkedRef } from "../../core/queue/lane.ts";
import { createFakeClock, untilIdle } from "../../test/support/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { createParkedNews } from "./parked-news.ts";

const ref = (userId: string, more: Partial<ParkedRef> = {}): ParkedRef => ({
  model: "m",
  userId,
  priority: "normal",
  ...more,
});

function startNews(announceParked?: () => Promise<void>) {
  const clock = createFakeClock(1_000);
  const announced: ParkedRef[][] = [];
  const news = createParkedNews({
    log: silentLog,
    now: clock.now,
    schedule: clock.schedule,
    announceParked: async (parked) => {
      announced.push([...parked]);
      await announceParked?.();
    },
  });
  return { ...clock, announced, news };
}

test("the dispatcher is told at once, and of everybody once", async () => {
  const { news, announced } = startNews();

  for (const one of [ref("a"), ref("b"), ref("a"), ref("a", { priority: "low" })]) news.tell(one);
  await untilIdle();

  expect(announced).toEqual([[ref("a"), ref("b"), ref("a", { priority: "low" })]]);
});

test("the dispatcher is told twenty times a second at most", async () => {
  const { news, announced, advance, timerCount } = startNews();

  for (let ms = 0; ms < 1_000; ms += 1) {
    news.tell(ref(`user-${ms}`));
    await advance(1);
  }
  await advance(50);

  expect(announced.length).toBeWithin(20, 22);
  expect(announced.flat()).toHaveLength(1_000);
  expect(timerCount()).toBe(0);
});

test("news that cannot be told are dropped, and the next ones are told", async () => {
  let isAway = true;
  const { news, announced, advance } = startNews(async () => {
    if (isAway) throw new Fault("QUOTA_UNAVAILABLE", "away");
  });
  news.tell(ref("a"));
  await untilIdle();

  isAway = false;
  news.tell(ref("b"));
  await advance(50);

  expect(announced).toEqual([[ref("a")], [ref("b")]]);
});

test("what waits to be told is bounded: the dispatcher finds the rest", async () => {
  const { news, announced } = startNews();

  for (let index = 0; index < 5_000; index += 1) news.tell(ref(`user-${index}`));
  await untilIdle();

  expect(announced.map((one) => one.length)).toEqual([1_000]);
});
