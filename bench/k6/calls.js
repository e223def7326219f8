// Sends the calls of a job at a constant rate, whatever the answers (open loop), and sums up by stretches of time.
import { SharedArray } from "k6/data";
import exec from "k6/execution";
import http from "k6/http";
import { Counter, Trend } from "k6/metrics";

const job = JSON.parse(open(__ENV.BENCH_JOB));
const calls = new SharedArray("calls", () => JSON.parse(open(job.callsPath)));

const latency = new Trend("bench_latency", true);
const expected = new Counter("bench_expected");
const unexpected = new Counter("bench_unexpected");

// k6 keeps a series per tag only where a threshold asks for it; these always hold.
const thresholds = {};
for (let bucket = 0; bucket < job.buckets; bucket += 1) {
  thresholds[`bench_latency{bucket:${bucket}}`] = ["max>=0"];
}
for (const status of [0, 200, 202, 400, 401, 404, 408, 429, 500, 502, 503, 504]) {
  thresholds[`bench_unexpected{status:${status}}`] = ["count>=0"];
}

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
  summaryTrendStats: ["med", "p(90)", "p(95)", "p(99)", "p(99.9)", "max", "count"],
  thresholds,
};

export function call() {
  const index = exec.scenario.iterationInTest;
  const { method, path, headers, body } = calls[(index + job.firstCall) % calls.length];
  const bucket = Math.min(
    job.buckets - 1,
    Math.floor((Date.now() - exec.scenario.startTime) / (job.bucketSeconds * 1000)),
  );
  const reply = http.request(method, `${job.url}${path}`, body, { headers });
  if (reply.status === job.expectStatus) {
    expected.add(1);
    latency.add(reply.timings.duration, { bucket: String(bucket) });
  } else unexpected.add(1, { status: String(reply.status) });
}

export function handleSummary(data) {
  return { [job.summaryPath]: JSON.stringify(data) };
}
