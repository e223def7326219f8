const GAP = "  ";

/** Rows as aligned columns under a heading; numbers stand at the right of their column. */
export function formatTable(heading: readonly string[], rows: readonly string[][]): string {
  const lines = [[...heading], ...rows];
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

/** An instant as a person reads it, UTC: 2026-11-21 09:05:00. */
export const formatInstant = (atMs: number): string =>
  new Date(atMs).toISOString().slice(0, 19).replace("T", " ");

export const printLine = (line: string): void => void process.stdout.write(`${line}\n`);

export const printJson = (value: unknown): void => printLine(JSON.stringify(value, null, 2));
