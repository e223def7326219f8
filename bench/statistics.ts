import { percentile } from "../local/percentile.ts";
import type { Moment, Percentiles } from "./figures.ts";

export const sum = (values: Iterable<number>): number =>
  [...values].reduce((total, value) => total + value, 0);

export function percentilesOf(values: Float64Array): Percentiles {
  const sorted = values.toSorted();
  const at = (share: number): number => percentile(sorted, share);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), p999: at(0.999), max: at(1) };
}

/** The middle of the values, of two middles their mean; 0 of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = 0, high = low] = sorted.slice(Math.ceil(middle) - 1, Math.floor(middle) + 1);
  return (low + high) / 2;
}

/** Cuts a run into moments of `bucketSeconds`; `atSeconds[i]` is when `values[i]` was due. */
export function momentsOf(
  atSeconds: Float64Array,
  values: Float64Array,
  bucketSeconds: number,
): Moment[] {
  const bucketOf = (_value: number, index: number): number =>
    Math.floor((atSeconds[index] ?? 0) / bucketSeconds);
  return [...Map.groupBy(values, bucketOf)]
    .sort(([a], [b]) => a - b)
    .map(([bucket, inBucket]) => {
      const { p50, p95, p99 } = percentilesOf(Float64Array.from(inBucket));
      return { atSeconds: bucket * bucketSeconds, p50, p95, p99 };
    });
}

/** Least-squares slope of y over x; 0 for fewer than two points. */
export function slope(points: readonly { x: number; y: number }[]): number {
  if (points.length < 2) return 0;
  const meanX = sum(points.map(({ x }) => x)) / points.length;
  const meanY = sum(points.map(({ y }) => y)) / points.length;
  const above = sum(points.map(({ x, y }) => (x - meanX) * (y - meanY)));
  const below = sum(points.map(({ x }) => (x - meanX) ** 2));
  return below === 0 ? 0 : above / below;
}

/** Random numbers in [0, 1) that are the same at every run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
