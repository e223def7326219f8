import { join } from "node:path";

import { expect, test } from "bun:test";

import type { LoadResult } from "../figures.ts";
import { TARGETS } from "../targets.ts";
import { renderPage } from "./page.ts";
import { sampleOutcome, sampleReport } from "./samples.ts";
import { summaryLines } from "./text.ts";

const seconds = [0, 1, 2];
const overTime = seconds.map((atSeconds) => ({ atSeconds, p50: 1, p95: 3, p99: 4 }));
const load: LoadResult = {
  name: "1,000/s",
  generator: "paced",
  offeredPerSecond: 1_000,
  expected: 3_000,
  perSecond: 1_000,
  unexpected: { "503": 2 },
  dropped: 1,
  latencyMs: { p50: 1, p95: 3, p99: 4, p999: 5, max: 6 },
  overTime,
  generatorCores: 0.1,
};
const outcome = sampleOutcome("frontier", {
  about: "a <script> & more",
  figures: [{ target: "accepted_per_second", what: "accepted", unit: "req/s", value: 7_000 }],
  tables: [
    {
      title: "by users",
      columns: ["users", "p99, ms"],
      rows: [
        ["10", 2.345],
        ["1,000", "–"],
      ],
    },
  ],
  loads: [load],
  samples: seconds.map((atSeconds) => ({
    atSeconds,
    cores: { gateway: 0.5 },
    bytes: { gateway: 100 * 2 ** 20 },
    queues: { requests: 10 },
  })),
});
const report = sampleReport([outcome], ["a bound was missed"]);
const page = await renderPage(report);
const lines = summaryLines(report);

test("the page loads nothing from anywhere", () => {
  expect(page).not.toMatch(/<(?!a )[^>]*\b(src|href)=/);
  expect(page).not.toMatch(/href="(?!#)/);
  expect(page).not.toMatch(/url\(|@import|\bimport\b[^<]*from/);
  expect(page).toContain("uPlot");
});

test("what scenarios say is text, never markup", () => {
  expect(page).toContain("a &lt;script&gt; &amp; more");
});

test("a course over time, CPU, memory and queues are drawn", () => {
  const titles = [...page.matchAll(/<figcaption>([^<:]*)/g)].map(([, title]) => title);

  expect(titles).toEqual([
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
  const servers = ["postgres", "redis", "rabbitmq", "simulator"];
  const processes = ["gateway", "worker", "collector", "bento", "echo", "bench", "generator"];

  for (const name of [...servers, ...processes, "other", "p50", "p95", "p99"])
    expect(style).toMatch(new RegExp(`--c-${name}: light-dark\\(#[0-9a-f]{6}, #[0-9a-f]{6}\\);`));
});

test("every number of the design has a line; one that was not measured names the run", () => {
  const shown = lines.join("\n");

  for (const { what } of Object.values(TARGETS)) expect(shown).toContain(what);
  expect(shown).toMatch(/slope of the gateway's memory.* not measured: --soak$/m);
  expect(shown).toMatch(/everything on, req\/s +6,000 +10,000 +7,000 +1\.17 × +at least$/m);
});

test("tables stand in columns and failures at the end", () => {
  expect(lines).toContain("  users  p99, ms");
  expect(lines).toContain("     10  2.35");
  expect(lines.at(-1)).toBe("✗ a bound was missed");
});
