import { describe, expect, test } from "bun:test";

import { lanesOf } from "./lanes.ts";
import { parseJunitTotals } from "./junit.ts";
import { findTestFiles } from "./run-stage.ts";
import { formatSummary, selectTests, stagesOf, TEST_STAGES, type TestStage } from "./stages.ts";

const stage = (name: TestStage["name"]): TestStage => {
  const found = TEST_STAGES.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no stage ${name}`);
  return found;
};
const STAGES = [
  { stage: stage("unit"), files: ["core/a.test.ts", "core/b.test.ts"] },
  { stage: stage("servers"), files: ["adapters/b.test.ts"] },
  { stage: stage("e2e"), files: [] },
];

describe("--only", () => {
  test("means files by their path, in every stage", () => {
    expect(selectTests(STAGES, "b.test").map(({ files }) => files)).toEqual([
      ["core/b.test.ts"],
      ["adapters/b.test.ts"],
    ]);
  });

  test("means tests by their name when no path contains it", () => {
    expect(selectTests(STAGES, "a quota holds").map((run) => run.namePattern)).toEqual([
      "a quota holds",
      "a quota holds",
    ]);
  });
});

describe("lanes", () => {
  const runs = ["unit", "servers", "e2e", "api", "faults"].map((name) => ({
    stage: stage(name as TestStage["name"]),
    files: ["a.test.ts"],
  }));
  const namesOf = (lane: readonly { stage: TestStage }[]): string[] =>
    lane.map((run) => run.stage.name);

  test("faults and the API server run beside what needs servers, after what needs nothing", () => {
    const { first, lanes } = lanesOf(runs, true);

    expect(namesOf(first)).toEqual(["unit"]);
    expect(lanes.map(namesOf)).toEqual([["servers", "e2e"], ["api"], ["faults"]]);
  });

  test("there is one where servers cannot be had twice", () => {
    expect(lanesOf(runs, false).lanes.map(namesOf)).toEqual([["servers", "e2e", "api", "faults"]]);
  });
});

test("every test file belongs to exactly one stage, but for those that are run encrypted once more", () => {
  const all = [...new Bun.Glob("**/*.test.ts").scanSync()].filter(
    (file) => !file.startsWith("node_modules/") && !file.startsWith("."),
  );
  const again = new Set(findTestFiles(stage("e2e")));
  const staged = TEST_STAGES.flatMap((one) =>
    findTestFiles(one).filter((file) => one.isEncrypted !== true || !again.has(file)),
  );

  expect(staged.toSorted()).toEqual(all.toSorted());
});

test("drills are run only when they are named", () => {
  const all = stagesOf(undefined).map(({ name }) => name);

  expect(all).toEqual(["unit", "servers", "e2e", "tls", "queries", "api", "faults"]);
  for (const named of ["drills", "ha"] as const) {
    expect(all).not.toContain(named);
    expect(stagesOf(named).map(({ name }) => name)).toEqual([named]);
  }
});

test("the summary ends with the sums that scripts read", () => {
  const result = { name: "unit", passed: 3, failed: 0, skipped: 0, durationMs: 10 };

  const summary = formatSummary([result, { ...result, name: "e2e", failed: 2 }]);

  expect(summary.split("\n").at(-1)).toBe("6 passed, 2 failed");
});

describe("a report of Bun", () => {
  test("tells how many tests passed", () => {
    const xml = [
      `<?xml version="1.0"?>`,
      `<testsuites name="bun test" tests="7" assertions="9" failures="2" skipped="1" time="0.1">`,
      `<testsuite tests="1" failures="0">`,
    ].join("\n");

    expect(parseJunitTotals(xml)).toEqual({ passed: 4, failed: 2, skipped: 1 });
  });

  test("that is cut off counts for nothing", () => {
    expect(parseJunitTotals("")).toBeUndefined();
    expect(parseJunitTotals('<testsuites tests="7" fail')).toBeUndefined();
  });
});
