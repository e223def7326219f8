import { expect, test } from "bun:test";

import { median, momentsOf, percentilesOf, seededRandom, slope } from "./statistics.ts";

test("percentiles of nothing are 0, not NaN", () => {
  const nothing = { p50: 0, p95: 0, p99: 0, p999: 0, max: 0 };

  expect(percentilesOf(new Float64Array(0))).toEqual(nothing);
});

test("a moment holds the calls that were due in it, in whatever order they were answered", () => {
  const due = Float64Array.from([1.5, 0.2, 0.9, 1.1]);
  const latencies = Float64Array.from([40, 10, 20, 30]);

  const moments = momentsOf(due, latencies, 1);

  expect(moments).toEqual([
    { atSeconds: 0, p50: 10, p95: 20, p99: 20 },
    { atSeconds: 1, p50: 30, p95: 40, p99: 40 },
  ]);
});

test("the slope of points on a line is that of the line, of fewer than two points 0", () => {
  const slopeOf = (...points: [x: number, y: number][]) =>
    slope(points.map(([x, y]) => ({ x, y })));

  expect(slopeOf([0, 1], [1, 3], [2, 5])).toBeCloseTo(2);
  expect(slopeOf([0, 1])).toBe(0);
  expect(slopeOf([1, 1], [1, 5])).toBe(0);
});

test("the same seed gives the same numbers, so every run sends the same prompts", () => {
  const first = seededRandom(7);
  const second = seededRandom(7);

  const numbers = Array.from({ length: 100 }, () => first());

  expect(numbers).toEqual(Array.from({ length: 100 }, () => second()));
  expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
});

test("the median is the middle value, or the mean of the two in the middle", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([9, 1, 5, 7])).toBe(6);
  expect(median([4])).toBe(4);
  expect(median([])).toBe(0);
});
