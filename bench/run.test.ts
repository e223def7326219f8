import { expect, test } from "bun:test";

import { SAMPLE_OPTIONS } from "./report/samples.ts";
import { type BenchOptions, chooseScenarios } from "./run.ts";
import { TARGET_IDS } from "./targets.ts";

const namesOf = (options: Partial<BenchOptions>): string[] =>
  chooseScenarios({ ...SAMPLE_OPTIONS, ...options }).map(({ name }) => name);

test("what takes long runs only with its flag, and then alone", () => {
  const growth = ["users", "rows", "backlog", "waiting", "processes"].map(
    (kind) => `growth-${kind}`,
  );
  const long = [...growth, "soak"];

  expect(namesOf({}).filter((name) => long.includes(name))).toEqual([]);
  expect(namesOf({ quick: true }).filter((name) => long.includes(name))).toEqual([]);
  expect(namesOf({ growth: true, quick: true })).toEqual(growth);
  expect(namesOf({ soak: true })).toEqual(["soak"]);
});

test("all of it is the usual scenarios and the soak after them, and takes every row", () => {
  const rows = chooseScenarios({ ...SAMPLE_OPTIONS, all: true }).flatMap((one) => one.rows ?? []);

  expect(namesOf({ all: true })).toEqual([...namesOf({}), "soak"]);
  expect(namesOf({ all: true, quick: true })).toEqual([...namesOf({ quick: true }), "soak"]);
  expect([...rows].sort()).toEqual([...TARGET_IDS].sort());
});

test("any scenario runs by its name", () => {
  expect(namesOf({ only: ["soak", "frontier"] })).toEqual(["frontier", "soak"]);
});
