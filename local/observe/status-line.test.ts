import { describe, expect, test } from "bun:test";

import { bucketsOf, parseMetrics, quantileBetween, sumOf } from "./prometheus-text.ts";
import { formatStatusLine, readingOf } from "./status-line.ts";

const scrapeText = (accepted: number, fast: number, slow: number): string => `
# HELP gateway_requests_total HTTP calls answered
# TYPE gateway_requests_total counter
gateway_requests_total{route="generate",code="202",fault_domain="none"} ${accepted}
gateway_requests_total{route="generate",code="QUOTA_EXCEEDED",fault_domain="client"} 4
gateway_requests_waiting{model="a"} 3
gateway_requests_waiting{model="b"} 2
worker_actors{state="busy"} 5
worker_actors{state="idle"} 59
collector_results_total{outcome="completed"} 7
gateway_request_duration_seconds_bucket{route="generate",le="0.01"} ${fast}
gateway_request_duration_seconds_bucket{route="generate",le="0.1"} ${fast + slow}
gateway_request_duration_seconds_bucket{route="generate",le="+Inf"} ${fast + slow}
`;

const read = (atMs: number, text: string) => readingOf(atMs, parseMetrics(text));

describe("the live line", () => {
  test("shows what happened between two readings, and what is now", () => {
    const before = read(1_000, scrapeText(100, 100, 0));
    const now = read(3_000, scrapeText(300, 200, 100));

    expect(formatStatusLine(before, now)).toBe(
      "100 accepted/s  5 waiting  5 running  7 completed  p99 98.2 ms",
    );
  });

  test("shows no time where nothing was accepted", () => {
    const reading = read(1_000, scrapeText(100, 100, 0));

    expect(formatStatusLine(reading, { ...reading, atMs: 2_000 })).toContain("p99 –");
  });

  test("shows no negative rate after a gateway started anew", () => {
    const before = read(1_000, scrapeText(100, 0, 0));

    expect(formatStatusLine(before, read(2_000, ""))).toStartWith("0.0 accepted/s");
  });
});

describe("a scrape", () => {
  test("is read with quoted label values and without labels", () => {
    const samples = parseMetrics('a{x="1,\\"}",y="b"} 2\nb 3e2\n# TYPE c gauge\nnonsense');

    expect(samples).toEqual([
      { name: "a", labels: { x: '1,\\"}', y: "b" }, value: 2 },
      { name: "b", labels: {}, value: 300 },
    ]);
    expect(sumOf(samples, "absent")).toBe(0);
  });

  test("gives a quantile no higher than the last bound", () => {
    const buckets = bucketsOf(parseMetrics('h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 9'), "h", {});

    expect(quantileBetween(0.99, new Map(), buckets)).toBe(1);
  });
});
