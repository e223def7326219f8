import type { BenchReport } from "../run.ts";

export function renderPage(report: BenchReport): string {
  return `<pre>${JSON.stringify(report.rows)}</pre>`;
}
