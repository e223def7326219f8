import { expect, test } from "bun:test";

import type { Outcome } from "../figures.ts";
import { judge } from "../judge.ts";
import { TARGETS } from "../targets.ts";
import { SCENARIOS } from "../scenarios/all.ts";
import { summaryLines } from "./text.ts";

const outcome: Outcome = {
  scenario: "growth-users",
  about: "",
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
  loads: [],
  samples: [],
  notes: [],
  failures: [],
  seconds: 1,
};
const linesOf = (outcomes: Outcome[]): string[] =>
  summaryLines({
    startedAt: "",
    seconds: 1,
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
      cpu: "",
      memoryBytes: 0,
      kernel: "",
      distribution: "",
      bun: "",
      commit: "",
      loadBefore: 0,
    },
    servers: "",
    k6: "",
    rows: judge(outcomes),
    ratios: [],
    failures: ["a bound was missed"],
    outcomes,
  });

test("every number of the design has a line, and one that was not measured says which run measures it", () => {
  const lines = linesOf([outcome]);

  for (const { what } of Object.values(TARGETS)) expect(lines.join("\n")).toContain(what);
  expect(lines.find((line) => line.includes("slope of the gateway's memory"))).toEndWith(
    "not measured: --soak",
  );
  expect(lines.find((line) => line.includes("accepted per second, everything on"))).toMatch(
    /6,000 +10,000 +7,000 +1\.17 ×$/,
  );
});

test("tables stand in columns and failures at the end", () => {
  const lines = linesOf([outcome]);

  expect(lines).toContain("    users  p99, ms");
  expect(lines).toContain("       10  2.35");
  expect(lines.at(-1)).toBe("✗ a bound was missed");
});

test("every number of the design is measured by scenarios that exist", () => {
  const names = new Set(SCENARIOS.map(({ name }) => name));

  expect(Object.values(TARGETS).flatMap(({ by }) => by.filter((name) => !names.has(name)))).toEqual(
    [],
  );
});
