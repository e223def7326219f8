import { expect, test } from "bun:test";

import { TARGETS } from "../targets.ts";
import { sampleLoad, sampleOutcome, sampleReport } from "./samples.ts";
import { summaryLines } from "./text.ts";

const rows = [
  ["10", 2.345],
  ["1,000", "–"],
];
const outcomes = [
  sampleOutcome("frontier", {
    figures: [{ target: "accepted_per_second", what: "accepted", unit: "req/s", value: 7_000 }],
    tables: [{ title: "by users", columns: ["users", "p99, ms"], rows }],
    loads: [sampleLoad({ perSecond: 1_000 }), sampleLoad({ perSecond: 9_000 })],
  }),
  sampleOutcome("bento-tuned", { loads: [sampleLoad({ perSecond: 3_000 })] }),
];
const lines = summaryLines(sampleReport(outcomes, ["a bound was missed"]));
const shown = lines.join("\n");

test("every number of the design has a line; one that was not measured names the run", () => {
  for (const { what } of Object.values(TARGETS)) expect(shown).toContain(what);
  expect(shown).toMatch(/slope of the gateway's memory.* not measured: --soak$/m);
  expect(shown).toMatch(/everything on, req\/s +6,000 +10,000 +7,000 +1\.17 × +at least$/m);
});

test("a peer is compared by the most that each accepted per second", () => {
  expect(shown).toMatch(/^ *Bento, tuned .* 3,000 +3$/m);
  expect(shown).not.toContain("Elysia");
});

test("tables stand in columns and failures at the end", () => {
  expect(lines).toContain("  users  p99, ms");
  expect(lines).toContain("     10  2.35");
  expect(lines.at(-1)).toBe("✗ a bound was missed");
});
