import { describe, expect, test } from "bun:test";

import { createFakeClock, untilIdle } from "../test/support/clock.ts";
import { type BatcherOptions, createBatcher } from "./batcher.ts";

const WAIT_MS = 5;

/** A batcher whose wait is over when told and whose flushes end when told. */
function createWorld(options: Partial<BatcherOptions<number, string>> = {}) {
  const clock = createFakeClock(0);
  const flushed: number[][] = [];
  const ends: ((outcome: Promise<string[]> | string[]) => void)[] = [];
  const batcher = createBatcher<number, string>({
    itemsMax: 3,
    waitMs: WAIT_MS,
    flushesMax: 1,
    bound: { pendingMax: 10, onFull: () => new Error("full") },
    flush: (items) => {
      flushed.push(items);
      return new Promise((resolve) => ends.push(resolve));
    },
    schedule: clock.schedule,
    ...options,
  });
  return {
    batcher,
    flushed,
    endWait: () => clock.advance(WAIT_MS),
    endFlush: async (outcome: Promise<string[]> | string[]) => {
      ends.shift()?.(outcome);
      await untilIdle();
    },
  };
}

describe("a batcher", () => {
  test("handles what arrives within the wait by one call, and gives each its own outcome", async () => {
    const { batcher, flushed, endWait, endFlush } = createWorld();
    const outcomes = Promise.all([batcher.add(1), batcher.add(2)]);

    expect(flushed).toEqual([]);
    await endWait();
    await endFlush(["one", "two"]);

    expect(await outcomes).toEqual(["one", "two"]);
    expect(flushed).toEqual([[1, 2]]);
    expect(batcher.pending()).toBe(0);
  });

  test("does not wait once a batch is full, and flushes at most as many at once as allowed", async () => {
    const { batcher, flushed, endFlush } = createWorld();
    const outcomes = Promise.all([1, 2, 3, 4].map((item) => batcher.add(item)));

    expect(flushed).toEqual([[1, 2, 3]]);
    await endFlush(["1", "2", "3"]);
    await endFlush(["4"]);

    expect(await outcomes).toEqual(["1", "2", "3", "4"]);
    expect(flushed).toEqual([[1, 2, 3], [4]]);
  });

  test("cuts a batch at its weight, and lets a single heavier item go alone", async () => {
    const { batcher, flushed, endWait } = createWorld({
      itemsMax: 9,
      flushesMax: 9,
      weightOf: (item) => item,
      weightMax: 10,
    });
    for (const item of [4, 5, 6, 20, 1]) void batcher.add(item);

    await endWait();

    expect(flushed).toEqual([[4, 5], [6], [20], [1]]);
  });

  test("refuses what is beyond its bound, and takes again when there is room", async () => {
    const { batcher, endFlush } = createWorld({
      bound: { pendingMax: 3, onFull: () => new Error("full") },
    });
    const first = Promise.all([1, 2, 3].map((item) => batcher.add(item)));

    expect(batcher.add(4)).rejects.toThrow("full");
    await endFlush(["1", "2", "3"]);
    await first;

    expect(batcher.pending()).toBe(0);
    void batcher.add(5);
    expect(batcher.pending()).toBe(1);
  });

  test("a flush that fails, or returns too few outcomes, fails its own items only", async () => {
    const { batcher, endFlush } = createWorld();
    const first = Promise.allSettled([1, 2, 3].map((item) => batcher.add(item)));
    const second = Promise.allSettled([4, 5, 6].map((item) => batcher.add(item)));

    await endFlush(Promise.reject(new Error("down")));
    await endFlush(["4"]);

    expect((await first).map((result) => result.status)).toEqual([
      "rejected",
      "rejected",
      "rejected",
    ]);
    expect((await second).map((result) => result.status)).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
    ]);
  });
});
