import { formatTable } from "../../adapters/terminal/table.ts";
import type { Table } from "../figures.ts";
import { format } from "../judge.ts";
import type { BenchReport } from "../run.ts";
import { figureTable, summaryTable } from "./tables.ts";

/**
 * What a terminal shows at the end of a run: figures, tables and notes of each scenario, the design's rows,
 * failures.
 */
export function summaryLines(report: BenchReport): string[] {
  return [
    ...report.outcomes.flatMap((outcome) => [
      ...[figureTable(outcome), ...outcome.tables].flatMap(tableLines),
      ...outcome.notes.map((note) => `  note: ${note}`),
    ]),
    ...tableLines(summaryTable(report)),
    "",
    ...report.failures.map((failure) => `✗ ${failure}`),
  ];
}

function tableLines({ title, columns, rows }: Table): string[] {
  if (rows.length === 0) return [];
  const cells = rows.map((row) => row.map(format));
  const heading = columns.length > 0 ? columns : (cells[0]?.map(() => "") ?? []);
  const lines = formatTable(heading, cells)
    .split("\n")
    .filter((line) => line !== "");
  return ["", title, ...lines.map((line) => `  ${line}`)];
}
