// Sends the calls of a job (`LoadJob` of bench/load/run-load.ts) at a constant rate, whatever the answers
// (open loop), and prints a `LoadReport` of bench/figures.ts as one line of JSON.
import { SharedArray } from "k6/data";
import exec from "k6/execution";
import http from "k6/http";
import { Counter, Trend } from "k6/metrics";

const job = JSON.parse(__ENV.BENCH_JOB);
const calls = new SharedArray("calls", () => JSON.parse(open(job.files.json)));
const buckets = Math.ceil(job.seconds / job.bucketSeconds) + 1;
const STATUSES = [0, 200, 202, 400, 401, 404, 408, 429, 500, 502, 503, 504];

const latency = new Trend("bench_latency", true);
const expected = new Counter("bench_expected");
const unexpected = new Counter("bench_unexpected");

// k6 keeps a series per tag only where a threshold asks for it; these always hold.
const thresholds = {};
for (let bucket = 0; bucket < buckets; bucket += 1)
  thresholds[`bench_latency{bucket:${bucket}}`] = ["max>=0"];
for (const status of STATUSES) thresholds[`bench_unexpected{status:${status}}`] = ["count>=0"];

export const options = {
  scenarios: {
    calls: {
      executor: "constant-arrival-rate",
      exec: "call",
      rate: job.ratePerSecond,
      timeUnit: "1s",
      duration: `${job.seconds}s`,
      gracefulStop: `${job.graceSeconds}s`,
      preAllocatedVUs: job.connections,
      maxVUs: job.connections * 4,
    },
  },
  discardResponseBodies: true,
  systemTags: ["status"],
  summaryTrendStats: ["med", "p(95)", "p(99)", "p(99.9)", "max", "count"],
  thresholds,
};

export function call() {
  const { method, path, headers, body } = calls[exec.scenario.iterationInTest % calls.length];
  const bucket = Math.min(
    buckets - 1,
    Math.floor((Date.now() - exec.scenario.startTime) / (job.bucketSeconds * 1000)),
  );
  const reply = http.request(method, `${job.url}${path}`, body, { headers });
  if (reply.status === job.status) {
    expected.add(1);
    latency.add(reply.timings.duration, { bucket: String(bucket) });
  } else unexpected.add(1, { status: String(reply.status) });
}

/** A metric that never counted is absent. */
const valuesOf = ({ metrics }, name) => metrics[name]?.values ?? {};

function percentilesOf(values) {
  const [p50, p95, p99, p999, max] = options.summaryTrendStats.map((key) => values[key] ?? 0);
  return { p50, p95, p99, p999, max };
}

function momentOf(data, bucket) {
  const values = valuesOf(data, `bench_latency{bucket:${bucket}}`);
  const { p50, p95, p99 } = percentilesOf(values);
  const perSecond = (values.count ?? 0) / job.bucketSeconds;
  return { atSeconds: bucket * job.bucketSeconds, perSecond, p50, p95, p99 };
}

export function handleSummary(data) {
  const count = (name) => valuesOf(data, name).count ?? 0;
  const statuses = STATUSES.map((status) => [status, count(`bench_unexpected{status:${status}}`)]);
  const moments = Array.from({ length: buckets }, (_, bucket) => momentOf(data, bucket));
  const report = {
    expected: count("bench_expected"),
    perSecond: count("bench_expected") / job.seconds,
    unexpected: Object.fromEntries(statuses.filter(([, times]) => times > 0)),
    dropped: count("dropped_iterations"),
    latencyMs: percentilesOf(valuesOf(data, "bench_latency")),
    overTime: moments.filter(({ perSecond }) => perSecond > 0),
  };
  return { stdout: `${JSON.stringify(report)}\n` };
}
