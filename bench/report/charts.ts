import type { LoadResult, Outcome } from "../figures.ts";
import { FRONTIER_P99_MS } from "../measure/climb.ts";
import type { Contender } from "./tables.ts";

/** A line, or loose dots where the points are not a course in time. */
interface Series {
  name: string;
  /** Whose colour of `style.css` it has. */
  colour: string;
  points: (readonly [x: number, y: number])[];
  isLoose?: boolean;
  isHollow?: boolean;
}

/** What `draw.js` draws. */
export interface Chart {
  title: string;
  xLabel: string;
  yLabel: string;
  /** Upward; latencies go from tenths of a millisecond to seconds. */
  isLog?: boolean;
  series: Series[];
}

/** What happened over the time of a scenario: latencies of its last loads, CPU, memory and queues. */
export function chartsOf({ loads, samples }: Outcome): Chart[] {
  const courses = loads.filter(({ overTime }) => overTime.length > 2).slice(-2);
  const charts = [
    ...courses.map(latencyChart),
    { title: "CPU by part", yLabel: "cores", series: partsOf(samples, "cores", 1, 0.02) },
    { title: "Memory by part", yLabel: "MB", series: partsOf(samples, "bytes", 2 ** 20, 1) },
    { title: "Waiting in queues", yLabel: "messages", series: partsOf(samples, "queues", 1, 0.5) },
  ];
  return charts
    .filter(({ series }) => series.length > 0)
    .map((chart) => ({ xLabel: "seconds", ...chart }));
}

const latencyChart = ({ name, overTime }: LoadResult) => ({
  title: `Latency over time: ${name}`,
  yLabel: "ms",
  isLog: true,
  series: (["p50", "p95", "p99"] as const).map((key): Series => ({
    name: key,
    colour: key,
    points: overTime.map((moment) => [moment.atSeconds, moment[key]]),
  })),
});

/** Every part that ever reaches `atLeast` over time, the largest first. */
function partsOf(
  samples: Outcome["samples"],
  key: "cores" | "bytes" | "queues",
  divisor: number,
  atLeast: number,
): Series[] {
  const names = [...new Set(samples.flatMap((sample) => Object.keys(sample[key])))];
  const mostOf = ({ points }: Series): number => Math.max(...points.map(([, y]) => y));
  return names
    .map((name): Series => ({
      name,
      colour: name,
      points: samples.map((one) => [one.atSeconds, (one[key][name] ?? 0) / divisor]),
    }))
    .filter((series) => mostOf(series) >= atLeast)
    .sort((a, b) => mostOf(b) - mostOf(a));
}

/** Each load as a dot: what was accepted per second against the 99th percentile of the latency meanwhile. */
export function frontierChart(contenders: readonly Contender[]): Chart {
  const dots = contenders.flatMap(({ name, loads }) =>
    [true, false].map((isOpen): Series => ({
      name: `${name}, ${isOpen ? "open" : "closed"} loop`,
      colour: name,
      isLoose: true,
      isHollow: !isOpen,
      points: loads
        .filter(({ offeredPerSecond }) => (offeredPerSecond !== null) === isOpen)
        .map(({ perSecond, latencyMs }) => [perSecond, latencyMs.p99]),
    })),
  );
  const most = Math.max(0, ...dots.flatMap(({ points }) => points.map(([x]) => x)));
  const ends = [0, most] as const;
  const bounds = FRONTIER_P99_MS.slice(1, 3).map((ms): Series => {
    return { name: `${ms} ms`, colour: "bound", points: ends.map((end) => [end, ms]) };
  });
  return {
    title: "99th percentile of the latency of an acceptance",
    xLabel: "accepted per second",
    yLabel: "p99, ms",
    isLog: true,
    series: [...dots.filter(({ points }) => points.length > 0), ...bounds],
  };
}
