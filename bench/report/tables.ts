import { type LoadResult, otherAnswers, type Outcome, type Table } from "../figures.ts";
import { format, howToMeasure } from "../judge.ts";
import type { BenchReport } from "../run.ts";

// What a report tells in rows; the terminal and the page show the same.

/** Every row of the design's numbers. */
export const summaryTable = ({ rows }: BenchReport): Table => ({
  title: "The design's numbers",
  columns: ["what", "at least", "aim", "measured", "ratio to at least", "reached"],
  rows: rows.map(({ id, what, unit, better, atLeast, aim, measured, ratio, verdict }) => {
    const bound = (value: number): string => `${better === "less" ? "≤ " : ""}${format(value)}`;
    const word = verdict === "not measured" ? `not measured: ${howToMeasure(id)}` : verdict;
    const seen = [measured ?? "–", ratio === null ? "–" : `${format(ratio)} ×`];
    return [`${what}, ${unit}`, bound(atLeast), bound(aim), ...seen, word];
  }),
});

export const figureTable = ({ scenario, figures }: Outcome): Table => ({
  title: scenario,
  columns: [],
  rows: figures.map(({ what, value, unit }) => [what, `${format(value)} ${unit}`]),
});

type Column = readonly [name: string, read: (load: LoadResult) => string | number];
const LOAD_COLUMNS: readonly Column[] = [
  ["load", ({ name }) => name],
  ["by", ({ generator }) => generator],
  ["offered/s", ({ offeredPerSecond }) => offeredPerSecond ?? "closed loop"],
  ["answered/s", ({ perSecond }) => perSecond],
  ["p50 ms", ({ latencyMs }) => latencyMs.p50],
  ["p95 ms", ({ latencyMs }) => latencyMs.p95],
  ["p99 ms", ({ latencyMs }) => latencyMs.p99],
  ["p99.9 ms", ({ latencyMs }) => latencyMs.p999],
  ["longest, ms", ({ latencyMs }) => latencyMs.max],
  ["other answers", (load) => otherAnswers(load).join(", ") || "–"],
  ["generator, cores", ({ generatorCores }) => generatorCores],
];

export const loadTable = ({ scenario, loads }: Outcome): Table => ({
  title: `${scenario}: loads`,
  columns: LOAD_COLUMNS.map(([name]) => name),
  rows: loads.map((load) => LOAD_COLUMNS.map(([, read]) => read(load))),
});
