import { expect, test } from "bun:test";

import { failuresOf, format, howToMeasure, judge, type Row } from "./judge.ts";
import { sampleOutcome } from "./report/samples.ts";
import { TARGET_IDS, type TargetId } from "./targets.ts";

const judged = (figures: Partial<Record<TargetId, number>>): Row[] =>
  judge([
    sampleOutcome("any", {
      figures: Object.entries(figures).map(([target, value]) => {
        return { target: target as TargetId, what: "", unit: "", value };
      }),
    }),
  ]);

test("more is better for rates and less for latencies", () => {
  const rows = judged({ accepted_per_second: 7_000, accept_p99_ms: 50 });
  const rowOf = (id: TargetId) => rows.find((row) => row.id === id);

  expect(rowOf("accepted_per_second")).toMatchObject({ verdict: "at least" });
  expect(rowOf("accept_p99_ms")).toMatchObject({ verdict: "missed", ratio: 0.5 });
});

test("a bound that is met exactly is reached, and memory that shrinks reaches any", () => {
  const rows = judged({ accept_p99_ms: 10, status_p99_ms: 20, gateway_memory_slope: -3 });
  const verdicts = rows.map(({ id, verdict }) => [id, verdict]);

  expect(verdicts).toContainEqual(["accept_p99_ms", "aim"]);
  expect(verdicts).toContainEqual(["status_p99_ms", "at least"]);
  expect(verdicts).toContainEqual(["gateway_memory_slope", "aim"]);
});

test("what was not measured neither passes nor fails", () => {
  const rows = judge([]);

  expect(rows.every(({ verdict }) => verdict === "not measured")).toBe(true);
  expect(failuresOf([], rows)).toEqual([]);
});

test("every number of the design says which run measures it", () => {
  expect(TARGET_IDS.map(howToMeasure)).not.toContain("");
  expect(howToMeasure("gateway_memory_slope")).toBe("--soak");
  expect(howToMeasure("accept_p99_ms")).toBe("--only pipeline");
});

test("a run fails with the figure that missed and with what a scenario found broken", () => {
  const broken = sampleOutcome("pipeline", { failures: ["the books differ in 2 places"] });

  expect(failuresOf([broken], judged({ accept_p99_ms: 31 }))).toEqual([
    "pipeline: the books differ in 2 places",
    "acceptance at 1,000/s, whole pipeline running, p99: 31 ms, must be at most 25",
  ]);
});

test("numbers have three significant digits, or all those before the point", () => {
  const shown = [0, 0.1234, 2.34567, 42.42, 1_234.5].map(format);

  expect(shown).toEqual(["0", "0.12", "2.35", "42.4", "1,235"]);
});
