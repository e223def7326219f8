import { printable, printableText } from "./printable.ts";

const GAP = "  ";

/** Rows as aligned columns under a heading; numbers stand at the right. Cells may hold anything. */
export function formatTable(heading: readonly string[], rows: readonly string[][]): string {
  const lines = [[...heading], ...rows.map((row) => row.map(printable))];
  const widths = heading.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  const isNumeric = heading.map(
    (_, column) =>
      rows.length > 0 && rows.every((row) => /^-?[\d,]*$|^none$/.test(row[column] ?? "")),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          isNumeric[column] === true
            ? cell.padStart(widths[column] ?? 0)
            : cell.padEnd(widths[column] ?? 0),
        )
        .join(GAP)
        .trimEnd(),
    )
    .join("\n");
}

const NUMBERS = new Intl.NumberFormat("en-US");

/** 1234567 as 1,234,567. */
export const formatNumber = (value: number): string => NUMBERS.format(value);

/** `1 request`, `1,234 requests`. */
export const formatCount = (count: number, noun: string): string =>
  `${formatNumber(count)} ${noun}${count === 1 ? "" : "s"}`;

/** An instant as a person reads it, UTC: 2026-11-21 09:05:00. */
export const formatInstant = (atMs: number): string =>
  new Date(atMs).toISOString().slice(0, 19).replace("T", " ");

/**
 * The terminal obeys nothing of the line but newlines and tabs; a value that must stay on it is `printable`.
 */
export const printLine = (line: string): void =>
  void process.stdout.write(`${printableText(line)}\n`);

/** Content of a user or a model: on a terminal like any line, to whoever reads a pipe just as it is. */
export const printContent = (text: string): void =>
  void process.stdout.write(`${process.stdout.isTTY ? printableText(text) : text}\n`);

/** JSON escapes less than a terminal obeys; what is escaped on top means the same to whoever reads it. */
export const printJson = (value: unknown): void => printLine(JSON.stringify(value, null, 2));
