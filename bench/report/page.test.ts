import { join } from "node:path";

import { expect, test } from "bun:test";

import { renderPage } from "./page.ts";
import { sampleLoad, sampleOutcome, sampleReport } from "./samples.ts";

const seconds = [0, 1, 2];
const overTime = seconds.map((atSeconds) => ({ atSeconds, perSecond: 9, p50: 1, p95: 3, p99: 4 }));
const outcome = sampleOutcome("frontier", {
  about: "a <script> & more",
  figures: [{ target: "accepted_per_second", what: "accepted", unit: "req/s", value: 7_000 }],
  loads: [sampleLoad({ unexpected: { "503": 2 }, dropped: 1, overTime })],
  samples: seconds.map((atSeconds) => ({
    atSeconds,
    cores: { gateway: 0.5 },
    bytes: { gateway: 100 * 2 ** 20 },
    queues: { requests: 10 },
  })),
  notes: ["a note"],
});
const report = sampleReport([outcome]);

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
  const failed = sampleOutcome("pipeline", { failures: ["it broke"] });

  expect(await renderPage(sampleReport([failed]))).toContain("it broke");
});

test("every part has one colour, in light and in dark", async () => {
  const style = await Bun.file(join(import.meta.dir, "style.css")).text();
  const parts = ["gateway", "worker", "collector", "postgres", "redis", "rabbitmq", "simulator"];

  for (const part of [
    ...parts,
    "bench",
    "generator",
    "other",
    "bento",
    "echo",
    "p50",
    "p95",
    "p99",
  ])
    expect(style).toMatch(new RegExp(`--c-${part}: light-dark\\(#[0-9a-f]{6}, #[0-9a-f]{6}\\);`));
});
