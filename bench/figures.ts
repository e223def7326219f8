import type { TargetId } from "./targets.ts";

/** One measured number. With a target it is a row of the design's numbers and may fail the run. */
export interface Figure {
  target?: TargetId;
  what: string;
  unit: string;
  value: number;
}

/** Latencies in milliseconds. */
export interface Percentiles {
  p50: number;
  p95: number;
  p99: number;
  p999: number;
  max: number;
}

/** A stretch of a run, as seen by the load generator. */
export interface Moment extends Pick<Percentiles, "p50" | "p95" | "p99"> {
  /** Seconds since the measured part began. */
  atSeconds: number;
}

/** What a load generator prints. */
export interface LoadReport {
  /** Answers with the expected status, and how many per second. */
  expected: number;
  perSecond: number;
  /** Answers with another status, by status; `0` are lost connections. */
  unexpected: Record<string, number>;
  /** Open loop: calls that could not be sent in time because too many were under way. */
  dropped: number;
  latencyMs: Percentiles;
  overTime: Moment[];
}

/** Answers that a load did not expect, in words. */
export const otherAnswers = ({ unexpected, dropped }: LoadReport): string[] => [
  ...Object.entries(unexpected).map(([status, n]) => `${n} × ${status === "0" ? "lost" : status}`),
  ...(dropped > 0 ? [`${dropped} not sent or not answered`] : []),
];

/** What one run of a load generator saw. */
export interface LoadResult extends LoadReport {
  /** As in `accept 1,000/s`. */
  name: string;
  generator: "k6" | "wrk" | "paced";
  /** Open loop: what was to be sent. null: closed loop, each answer is followed by the next call. */
  offeredPerSecond: number | null;
  /** Mean CPU that the generator itself took, cores. */
  generatorCores: number;
}

/** One look at the machine. */
export interface Sample {
  /** Seconds since the stack was ready. */
  atSeconds: number;
  /** Cores in use, by part; `other` is everything that is not ours. */
  cores: Record<string, number>;
  /** Resident bytes, by part. */
  bytes: Record<string, number>;
  /** Messages ready, by queue. */
  queues: Record<string, number>;
}

/** Figures that are to be read beside each other. */
export interface Table {
  title: string;
  columns: readonly string[];
  /** As many cells as columns; a number is written with three digits. */
  rows: readonly (readonly (string | number)[])[];
}

/** What a scenario measured. */
export interface Measured {
  figures: Figure[];
  tables: Table[];
  loads: LoadResult[];
  samples: Sample[];
  /** What a reader must know to judge the figures. */
  notes: string[];
  /** What is wrong regardless of figures, such as books that differ; each fails the run. */
  failures: string[];
}

/** Everything that a run knows of one scenario. */
export interface Outcome extends Measured {
  scenario: string;
  about: string;
  seconds: number;
}

export function nothingMeasured(): Measured {
  return { figures: [], tables: [], loads: [], samples: [], notes: [], failures: [] };
}
