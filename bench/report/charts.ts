import type { LoadResult, Outcome } from "../figures.ts";

/** A line; `style.css` has a colour for each name. */
interface Series {
  name: string;
  points: (readonly [seconds: number, y: number])[];
}

/** What `draw.js` draws. */
export interface Chart {
  title: string;
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
  return charts.filter(({ series }) => series.length > 0);
}

const latencyChart = ({ name, overTime }: LoadResult) => ({
  title: `Latency over time: ${name}`,
  yLabel: "ms",
  isLog: true,
  series: (["p50", "p95", "p99"] as const).map((key): Series => ({
    name: key,
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
      points: samples.map((one) => [one.atSeconds, (one[key][name] ?? 0) / divisor]),
    }))
    .filter((series) => mostOf(series) >= atLeast)
    .sort((a, b) => mostOf(b) - mostOf(a));
}
