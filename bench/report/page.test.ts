import { join } from "node:path";

import { expect, test } from "bun:test";

import type { Outcome } from "../figures.ts";
import { judge } from "../judge.ts";
import type { BenchReport } from "../run.ts";
import { renderPage } from "./page.ts";

const outcome: Outcome = {
  scenario: "frontier",
  about: "a <script> & more",
  figures: [{ target: "accepted_per_second", what: "accepted", unit: "req/s", value: 7_000 }],
  loads: [
    {
      name: "1,000/s",
      generator: "paced",
      offeredPerSecond: 1_000,
      connections: 8,
      seconds: 3,
      expected: 3_000,
      perSecond: 1_000,
      unexpected: { "503": 2 },
      dropped: 1,
      latencyMs: { p50: 1, p90: 2, p95: 3, p99: 4, p999: 5, max: 6 },
      overTime: [0, 1, 2].map((atSeconds) => ({
        atSeconds,
        perSecond: 1_000,
        p50: 1,
        p95: 3,
        p99: 4,
      })),
    },
  ],
  samples: [0, 1, 2].map((atSeconds) => ({
    atSeconds,
    cores: { gateway: 0.5 },
    bytes: { gateway: 100 * 2 ** 20 },
    queues: { requests: 10 },
  })),
  notes: ["a note"],
  failures: [],
  seconds: 5,
};
const report: BenchReport = {
  startedAt: "2026-01-01T00:00:00.000Z",
  seconds: 5,
  options: {
    quick: true,
    soak: false,
    growth: false,
    all: false,
    only: [],
    gateways: 1,
    workers: 1,
    profile: false,
  },
  machine: {
    cores: 2,
    cpu: "a CPU",
    memoryBytes: 2 ** 33,
    kernel: "6.1",
    distribution: "Debian",
    bun: "1.4.5",
    commit: "abc",
    loadBefore: 0,
  },
  servers: "private",
  k6: "v2.2.0",
  rows: judge([outcome]),
  ratios: [],
  failures: [],
  outcomes: [outcome],
};

test("the page loads nothing from anywhere", async () => {
  const page = await renderPage(report);

  expect(page).not.toMatch(/<(?!a )[^>]*\b(src|href)=/);
  expect(page).not.toMatch(/href="(?!#)/);
  expect(page).not.toMatch(/url\(|@import|\bimport\b[^<]*from/);
  expect(page).toContain("uPlot");
});

test("what scenarios say is text, never markup", async () => {
  expect(await renderPage(report)).toContain("a &lt;script&gt; &amp; more");
});

test("a course over time, CPU, memory, queues and the frontier are drawn", async () => {
  const page = await renderPage(report);
  const titles = [...page.matchAll(/<figcaption>([^<:]*)/g)].map(([, title]) => title);

  expect(titles).toEqual([
    "99th percentile of the latency of an acceptance",
    "Latency over time",
    "CPU by part",
    "Memory by part",
    "Waiting in queues",
  ]);
});

test("a scenario that failed at once still has its place", async () => {
  const failed = { ...outcome, loads: [], samples: [], figures: [], failures: ["it broke"] };

  expect(await renderPage({ ...report, outcomes: [failed] })).toContain("it broke");
});

test("every part has one colour, in light and in dark", async () => {
  const style = await Bun.file(join(import.meta.dir, "style.css")).text();
  const parts = ["gateway", "worker", "collector", "postgres", "redis", "rabbitmq", "simulator"];

  for (const part of [...parts, "bench", "generator", "other", "bento", "p50", "p95", "p99"])
    expect(style).toMatch(new RegExp(`--c-${part}: light-dark\\(#[0-9a-f]{6}, #[0-9a-f]{6}\\);`));
});
