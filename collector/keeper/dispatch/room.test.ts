import { describe, expect, test } from "bun:test";

import type { WorkerNote } from "../../../core/queue/lane.ts";
import { createWorkMeter, roomOf, surplusOf } from "./room.ts";

const note = (workerId: string, atMs: number, ended: number, underWay = 0): WorkerNote => ({
  workerId,
  host: "h",
  atMs,
  models: { m: { problem: null, limit: 10, underWay, ended } },
});

describe("the work of a model", () => {
  test("is the sum over its workers, whose notes come at different times", () => {
    const meter = createWorkMeter();
    for (let second = 0; second <= 60; second += 1) {
      const [a, b] = [
        note("a", second * 1_000, second * 30, 3),
        note("b", second * 1_000, second * 20, 1),
      ];
      // Half of the time only one of them has something new to say.
      meter.update([
        a,
        note("b", Math.max(0, second - 1) * 1_000, Math.max(0, second - 1) * 20, 1),
      ]);
      meter.update([a, b]);
    }

    const { ratePerSecond, limit, underWay, workers } = meter.of("m");

    expect(ratePerSecond).toBeCloseTo(50, 0);
    expect([limit, underWay, workers]).toEqual([20, 4, 2]);
  });

  test("goes down when nothing ends any more, and is nothing without workers", () => {
    const meter = createWorkMeter();
    for (let second = 0; second <= 20; second += 1)
      meter.update([note("a", second * 1_000, second * 30)]);
    for (let second = 21; second <= 40; second += 1) meter.update([note("a", second * 1_000, 600)]);

    expect(meter.of("m").ratePerSecond).toBeLessThan(0.1);
    meter.update([]);
    const rates = { ratePerSecond: 0, sureRatePerSecond: 0 };
    expect(meter.of("m")).toEqual({ workers: 0, limit: 0, underWay: 0, ...rates });
  });

  test("says at once that calls have become slow where that is asked for, and later otherwise", () => {
    const meter = createWorkMeter();
    for (let ms = 0; ms <= 10_000; ms += 500) meter.update([note("a", ms, ms)]);
    meter.update([note("a", 10_500, 10_016)]);

    const { ratePerSecond, sureRatePerSecond } = meter.of("m");
    expect([Math.round(ratePerSecond), Math.round(sureRatePerSecond)]).toEqual([710, 40]);
  });

  test("counts no worker that lacks the key", () => {
    const meter = createWorkMeter();
    const models = { m: { problem: "key_missing", limit: 10, underWay: 0, ended: 0 } } as const;

    meter.update([{ workerId: "a", host: "h", atMs: 0, models }]);

    expect(meter.of("m")).toMatchObject({ workers: 0, limit: 0 });
  });
});

describe("the room in the queue of a model", () => {
  const idle = { workers: 1, limit: 10, underWay: 0, ratePerSecond: 0, sureRatePerSecond: 0 };
  const question = { work: idle, ready: 0, unseen: 0, queueSeconds: 1, concurrencyMax: 32 };

  test.each([
    ["free places of its workers", {}, 10],
    [
      "less what is under way, ready or just published",
      { work: { ...idle, underWay: 3 }, ready: 2, unseen: 1 },
      4,
    ],
    ["half more than was taken at once", { unseen: 64 }, 32],
    ["no more than the places while something waits there", { unseen: 64, ready: 1 }, 0],
    ["none while they are busy", { work: { ...idle, underWay: 10 } }, 0],
    [
      "a second of work, where that is more",
      { work: { ...idle, underWay: 10, sureRatePerSecond: 50 }, ready: 8 },
      42,
    ],
    [
      "what one worker may run, where none runs, to wake it",
      { work: { ...idle, workers: 0, limit: 0 } },
      32,
    ],
  ])("is %s", (_what, change, room) => {
    expect(roomOf({ ...question, ...change })).toBe(room);
  });
});

test("a queue is too long when it holds half more than it should, by time and by places", () => {
  const rates = { ratePerSecond: 100, sureRatePerSecond: 100 };
  const work = { workers: 2, limit: 32, underWay: 32, ...rates };
  const measure = { work, queueSeconds: 1, concurrencyMax: 16 };

  const slow = { ...work, sureRatePerSecond: 0 };
  expect(surplusOf({ ...measure, ready: 150 })).toBe(0);
  expect(surplusOf({ ...measure, ready: 151 })).toBe(51);
  expect(surplusOf({ ...measure, work: slow, ready: 49 })).toBe(17);
});
