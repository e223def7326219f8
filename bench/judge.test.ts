import { expect, test } from "bun:test";

import type { LoadResult, Outcome } from "./figures.ts";
import { failuresOf, format, judge, peerRatios } from "./judge.ts";

const outcome = (scenario: string, parts: Partial<Outcome>): Outcome => ({
  scenario,
  about: "",
  figures: [],
  loads: [],
  samples: [],
  notes: [],
  failures: [],
  seconds: 1,
  ...parts,
});

const load = (perSecond: number): LoadResult => ({
  name: "",
  generator: "wrk",
  offeredPerSecond: null,
  connections: 1,
  seconds: 1,
  expected: perSecond,
  perSecond,
  unexpected: {},
  dropped: 0,
  latencyMs: { p50: 0, p90: 0, p95: 0, p99: 0, p999: 0, max: 0 },
  overTime: [],
});

const rowOf = (outcomes: Outcome[], id: string) => judge(outcomes).find((row) => row.id === id);

test("more is better for rates and less for latencies", () => {
  const measured = outcome("any", {
    figures: [
      { target: "accepted_per_second", what: "", unit: "", value: 7_000 },
      { target: "accept_p99_ms", what: "", unit: "", value: 50 },
    ],
  });

  expect(rowOf([measured], "accepted_per_second")).toMatchObject({ verdict: "at least" });
  expect(rowOf([measured], "accept_p99_ms")).toMatchObject({ verdict: "missed", ratio: 0.5 });
});

test("what was not measured neither passes nor fails", () => {
  const rows = judge([]);

  expect(rows.every(({ verdict }) => verdict === "not measured")).toBe(true);
  expect(failuresOf([], rows)).toEqual([]);
});

test("a run fails with the figure that missed and with what a scenario found broken", () => {
  const measured = outcome("pipeline", {
    figures: [{ target: "accept_p99_ms", what: "", unit: "", value: 31 }],
    failures: ["the books differ in 2 places"],
  });

  const failures = failuresOf([measured], judge([measured]));

  expect(failures).toEqual([
    "pipeline: the books differ in 2 places",
    "acceptance at 1,000/s, whole pipeline running, p99: 31 ms, must be at most 25",
  ]);
});

test("a peer is compared by the most that each accepted per second", () => {
  const outcomes = [
    outcome("frontier", { loads: [load(1_000), load(9_000)] }),
    outcome("bento-tuned", { loads: [load(3_000), load(2_000)] }),
  ];

  expect(peerRatios(outcomes)).toEqual([{ what: "against Bento, tuned", value: 3 }]);
});

test("a peer that was left out makes no ratio", () => {
  expect(
    peerRatios([outcome("frontier", { loads: [load(1)] }), outcome("bento-tuned", {})]),
  ).toEqual([]);
});

test("numbers have three significant digits, or all those before the point", () => {
  expect([0, 0.1234, 2.34567, 42.42, 1_234.5].map(format)).toEqual([
    "0",
    "0.12",
    "2.35",
    "42.4",
    "1,235",
  ]);
});
