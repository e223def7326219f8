import { join } from "node:path";

import type { Outcome, Table } from "../figures.ts";
import { format } from "../judge.ts";
import type { BenchReport } from "../run.ts";
import { type Chart, chartsOf } from "./charts.ts";
import { markup, Markup } from "./markup.ts";
import { figureTable, loadTable, summaryTable } from "./tables.ts";

/** The whole report as one page that loads nothing from anywhere. */
export async function renderPage(report: BenchReport): Promise<string> {
  const { startedAt, outcomes, failures } = report;
  const { style, script, licence } = await chartAssets();
  const day = startedAt.slice(0, 16).replace("T", " ");
  const verdict =
    failures.length === 0
      ? markup`<p class="good">everything measured reaches its bound</p>`
      : markup`<p class="bad">${failures.length} missed or broken</p>`;
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tollgate bench, ${day}</title>
<style>${style}</style>
</head>
<body>
<h1>Tollgate bench</h1>
<p class="soft">${day} UTC · ${formatSeconds(report.seconds)} · ${kindOf(report)}</p>
${verdict}
${listOf("bad", failures)}
${titled(summaryTable(report))}
${tableOf({ title: "", columns: [], rows: Object.entries(report.machine) })}
<nav>${outcomes.map(({ scenario }) => markup`<a href="#${scenario}">${scenario}</a>`)}</nav>
${outcomes.map(scenarioSection)}
<footer><p>Charts by uPlot.</p><pre>${licence}</pre></footer>
<script>${script}</script>
</body>
</html>
`;
  return page.text;
}

/** What draws the charts in the page, with the library that does it and its licence. */
async function chartAssets(): Promise<Record<"style" | "script" | "licence", Markup>> {
  const read = (name: string): Promise<string> =>
    Bun.file(Bun.resolveSync(name, import.meta.dir)).text();
  const { outputs } = await Bun.build({
    entrypoints: [join(import.meta.dir, "draw.js")],
    target: "browser",
    minify: true,
  });
  return {
    style: new Markup((await read("uplot/dist/uPlot.min.css")) + (await read("./style.css"))),
    script: new Markup((await outputs[0]?.text()) ?? ""),
    licence: markup`${await read("uplot/LICENSE")}`,
  };
}

const formatSeconds = (seconds: number): string =>
  seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;

function kindOf({ options }: BenchReport): string {
  const words = [options.quick ? "quick run" : "full run"];
  if (options.soak || options.all) words.push("soak");
  if (options.growth) words.push("growth");
  if (options.only.length > 0) words.push(`only ${options.only.join(", ")}`);
  words.push(`${options.gateways} gateway(s), ${options.workers} worker(s)`);
  return words.join(" · ");
}

/** More columns than this fit a usual screen only in small print. */
const COLUMNS_MAX = 12;
const TONES: Record<string, string> = { aim: "good", "at least": "fine", missed: "bad" };

/** Every cell knows its column, because on a narrow screen a row is shown as a card. */
function tableOf({ columns, rows }: Table): Markup {
  const rowOf = (row: Table["rows"][number]): Markup =>
    markup`<tr>${row.map((cell, at) => {
      const text = format(cell);
      return markup`<td data-column="${columns[at] ?? ""}" class="${TONES[text] ?? ""}">${text}</td>`;
    })}</tr>`;
  if (columns.length === 0) return markup`<table class="facts">${rows.map(rowOf)}</table>`;
  return markup`<table class="${columns.length > COLUMNS_MAX ? "rows dense" : "rows"}">
<thead><tr>${columns.map((column) => markup`<th>${column}</th>`)}</tr></thead>
${rows.map(rowOf)}
</table>`;
}

const titled = (table: Table): Markup => markup`<h3>${table.title}</h3>${tableOf(table)}`;

const listOf = (style: string, texts: readonly string[]): Markup =>
  texts.length === 0
    ? markup``
    : markup`<ul class="${style}">${texts.map((text) => markup`<li>${text}</li>`)}</ul>`;

const chartOf = (chart: Chart): Markup =>
  markup`<figure data-chart="${JSON.stringify(chart)}"><figcaption>${chart.title}</figcaption></figure>`;

function scenarioSection(outcome: Outcome): Markup {
  const { scenario, about, loads } = outcome;
  return markup`<h2 id="${scenario}">${scenario}</h2>
<p>${about} <span class="soft">(${formatSeconds(outcome.seconds)})</span></p>
${listOf("bad", outcome.failures)}
${tableOf(figureTable(outcome))}
${outcome.tables.map(titled)}
${listOf("soft", outcome.notes)}
<div class="charts">${chartsOf(outcome).map(chartOf)}</div>
${loads.length === 0 ? "" : tableOf(loadTable(outcome))}
`;
}
