import { type Static, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import type { LoadResult, Moment } from "../figures.ts";

const SummarySchema = t.Object({
  metrics: t.Record(t.String(), t.Object({ values: t.Record(t.String(), t.Number()) })),
});
type Summary = Static<typeof SummarySchema>;

/** What `handleSummary` of bench/k6/calls.js wrote, in our words. Throws when it has another shape. */
export function readK6Summary(
  raw: unknown,
  seconds: number,
  bucketSeconds: number,
): Pick<
  LoadResult,
  "seconds" | "expected" | "perSecond" | "unexpected" | "dropped" | "latencyMs" | "overTime"
> {
  if (!Value.Check(SummarySchema, raw)) {
    const where = Value.Errors(SummarySchema, raw).First();
    throw new Error(`k6 wrote a summary of another shape at ${where?.path}: ${where?.message}`);
  }
  const summary = raw;
  const latency = valuesOf(summary, "bench_latency");
  const expected = valuesOf(summary, "bench_expected")["count"] ?? 0;
  return {
    seconds,
    expected,
    perSecond: expected / seconds,
    unexpected: unexpectedOf(summary),
    dropped: valuesOf(summary, "dropped_iterations")["count"] ?? 0,
    latencyMs: {
      p50: latency["med"] ?? 0,
      p90: latency["p(90)"] ?? 0,
      p95: latency["p(95)"] ?? 0,
      p99: latency["p(99)"] ?? 0,
      p999: latency["p(99.9)"] ?? 0,
      max: latency["max"] ?? 0,
    },
    overTime: momentsOfBuckets(summary, bucketSeconds),
  };
}

const valuesOf = ({ metrics }: Summary, name: string): Record<string, number> =>
  metrics[name]?.values ?? {};

function unexpectedOf(summary: Summary): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [name, { values }] of Object.entries(summary.metrics)) {
    const status = /^bench_unexpected\{status:(\d+)\}$/.exec(name)?.[1];
    const count = values["count"] ?? 0;
    if (status !== undefined && count > 0) found[status] = count;
  }
  return found;
}

function momentsOfBuckets(summary: Summary, bucketSeconds: number): Moment[] {
  const moments: Moment[] = [];
  for (const [name, { values }] of Object.entries(summary.metrics)) {
    const bucket = /^bench_latency\{bucket:(\d+)\}$/.exec(name)?.[1];
    const count = values["count"] ?? 0;
    if (bucket === undefined || count === 0) continue;
    moments.push({
      atSeconds: Number(bucket) * bucketSeconds,
      perSecond: count / bucketSeconds,
      p50: values["med"] ?? 0,
      p95: values["p(95)"] ?? 0,
      p99: values["p(99)"] ?? 0,
    });
  }
  return moments.sort((a, b) => a.atSeconds - b.atSeconds);
}
