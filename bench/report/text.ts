import { formatTable } from "../../adapters/terminal/table.ts";
import type { Outcome, Table } from "../figures.ts";
import { format, howToMeasure, type Row } from "../judge.ts";
import type { BenchReport } from "../run.ts";

const MARKS = {
  aim: "✓✓",
  "at least": "✓ ",
  missed: "✗ ",
  "not measured": "  ",
} as const satisfies Record<Row["verdict"], string>;

/** What a terminal shows at the end of a run: figures, tables, ratios, every row of the design's numbers, failures. */
export function summaryLines({ outcomes, ratios, rows, failures }: BenchReport): string[] {
  return [
    "",
    ...outcomes.flatMap(outcomeLines),
    ...ratios.map(({ what, value }) => figureLine("ratio", value, "×", what)),
    "",
    boundsLine("  ", "", ["at least", "aim", "measured"], "ratio"),
    ...rows.map(rowLine),
    ...(failures.length > 0 ? [""] : []),
    ...failures.map((failure) => `✗ ${failure}`),
  ];
}

const figureLine = (scenario: string, value: number, unit: string, what: string): string =>
  `  ${scenario.padEnd(17)}${format(value).padStart(9)} ${unit.padEnd(11)} ${what}`;

function outcomeLines({ scenario, figures, tables = [], notes }: Outcome): string[] {
  return [
    ...figures.map(({ what, value, unit }) => figureLine(scenario, value, unit, what)),
    ...tables.flatMap((table) => tableLines(scenario, table)),
    ...notes.map((note) => `  ${scenario.padEnd(17)}  note: ${note}`),
  ];
}

function tableLines(scenario: string, { title, columns, rows }: Table): string[] {
  const cells = rows.map((row) =>
    row.map((cell) => (typeof cell === "number" ? format(cell) : cell)),
  );
  const lines = formatTable(columns, cells).split("\n");
  return ["", `  ${scenario}: ${title}`, ...lines.map((line) => `    ${line}`), ""];
}

const boundsLine = (mark: string, what: string, numbers: readonly string[], end: string): string =>
  `${mark}${what.padEnd(72)}${numbers.map((number) => number.padStart(10)).join("")}  ${end}`;

function rowLine({ id, what, unit, atLeast, aim, measured, ratio, verdict }: Row): string {
  const seen = measured === null ? "–" : format(measured);
  const end = ratio === null ? `not measured: ${howToMeasure(id)}` : `${format(ratio)} ×`;
  const numbers = [format(atLeast), format(aim), seen];
  return boundsLine(MARKS[verdict], `${what} (${unit})`, numbers, end);
}
