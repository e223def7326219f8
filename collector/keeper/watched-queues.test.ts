import { expect, test } from "bun:test";

import { createWatchedQueues, type WatchedQueue } from "./watched-queues.ts";

const REQUESTS: WatchedQueue = { queue: "requests", kind: "model", model: "sim", delayMs: null };
const delayQueue = (delayMs: number): WatchedQueue => ({
  queue: `retry.${delayMs}`,
  kind: "wait",
  model: null,
  delayMs,
});
const [SHORT, LONG, NEW] = [delayQueue(1_000), delayQueue(3_600_000), delayQueue(5_000)];

function setUp() {
  const clock = { nowMs: 0 };
  const watched = createWatchedQueues({ now: () => clock.nowMs });
  const namesAt = (atMs: number, configured: WatchedQueue[]): string[] => {
    clock.nowMs = atMs;
    return watched.update(configured).map(({ queue }) => queue);
  };
  return { namesAt };
}

test("a new delay queue is counted at once, beside those that the configuration no longer names", () => {
  const { namesAt } = setUp();
  namesAt(0, [REQUESTS, SHORT, LONG]);

  expect(namesAt(1, [REQUESTS, NEW])).toEqual([
    "requests",
    "retry.1000",
    "retry.3600000",
    "retry.5000",
  ]);
});

test("a removed delay queue is counted until no process uses it and its last message has left", () => {
  const { namesAt } = setUp();
  namesAt(0, [REQUESTS, SHORT, LONG]);

  expect(namesAt(601_000, [REQUESTS])).toEqual(["requests", "retry.1000", "retry.3600000"]);
  expect(namesAt(601_001, [REQUESTS])).toEqual(["requests", "retry.3600000"]);
  expect(namesAt(4_200_001, [REQUESTS])).toEqual(["requests"]);
});

test("a delay queue that comes back is one of the configuration again", () => {
  const { namesAt } = setUp();
  namesAt(0, [SHORT]);
  namesAt(500_000, []);

  namesAt(600_000, [SHORT]);

  expect(namesAt(1_200_000, [])).toEqual(["retry.1000"]);
});
