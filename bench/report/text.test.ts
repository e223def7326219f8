import { expect, test } from "bun:test";

import { TARGETS } from "../targets.ts";
import { sampleOutcome, sampleReport } from "./sample-report.ts";
import { summaryLines } from "./text.ts";

const outcome = sampleOutcome("growth-users", {
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
});
const lines = summaryLines(sampleReport([outcome], ["a bound was missed"]));

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
