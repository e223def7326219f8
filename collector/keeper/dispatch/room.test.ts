import { expect, test } from "bun:test";

import type { WorkerNote } from "../../../core/queue/lane.ts";
import { createWorkMeter, surplusOf } from "./room.ts";

const noteOf = (workerId: string, atMs: number, ended: number): WorkerNote => ({
  workerId,
  host: "h",
  atMs,
  models: { m: { problem: null, limit: 16, underWay: 16, ended } },
});

test("the rate of a model is that of all its workers, whenever their notes come", () => {
  const meter = createWorkMeter();
  let [first, second] = [noteOf("a", 0, 0), noteOf("b", 250, 0)];
  for (let ms = 0; ms <= 30_000; ms += 100) {
    if (ms % 500 === 0) first = noteOf("a", ms, (ms / 1_000) * 16);
    if (ms % 500 === 300) second = noteOf("b", ms, (ms / 1_000) * 16);
    meter.update([first, second]);
  }

  expect(meter.of("m").ratePerSecond).toBeCloseTo(32, 0);
  expect(meter.of("m")).toMatchObject({ workers: 2, limit: 32, underWay: 32 });
});

test("the rate of a worker that has gone counts no more", () => {
  const meter = createWorkMeter();
  for (let ms = 0; ms <= 10_000; ms += 500)
    meter.update([noteOf("a", ms, ms / 100), noteOf("b", ms, ms / 100)]);

  meter.update([noteOf("a", 10_500, 105)]);

  expect(meter.of("m").ratePerSecond).toBeCloseTo(10, 0);
});

test("calls that have become slow lower at once what may be published, the rate that is told later", () => {
  const meter = createWorkMeter();
  for (let ms = 0; ms <= 10_000; ms += 500) meter.update([noteOf("a", ms, ms)]);
  meter.update([noteOf("a", 10_500, 10_016)]);

  const { ratePerSecond, sureRatePerSecond } = meter.of("m");
  expect([Math.round(ratePerSecond), Math.round(sureRatePerSecond)]).toEqual([709, 40]);
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
