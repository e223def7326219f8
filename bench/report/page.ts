import { join } from "node:path";

import type { Figure, LoadResult, Outcome, Table } from "../figures.ts";
import { format, howToMeasure, type Row } from "../judge.ts";
import type { BenchReport } from "../run.ts";
import { frontier, FRONTIER_P99_MS } from "../scenarios/accept.ts";
import { meanCores } from "../stack/sampler.ts";
import { type Chart, chartsOf, frontierChart } from "./charts.ts";
import { markup, Markup } from "./markup.ts";

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
${summaryTable(report.rows)}
${ratioTable(report)}
${factsOf(machineFacts(report))}
<nav>${outcomes.map(({ scenario }) => markup`<a href="#${scenario}">${scenario}</a>`)}</nav>
${frontierSection(outcomes)}
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

type Cell = string | number | Markup;
const shown = (cell: Cell): string | Markup => (typeof cell === "number" ? format(cell) : cell);

/** More columns than this fit a usual screen only in small print. */
const COLUMNS_MAX = 12;

/** Every cell knows its column, because on a narrow screen a row is shown as a card. */
const tableOf = (columns: readonly string[], rows: readonly (readonly Cell[])[]): Markup =>
  markup`<table class="${columns.length > COLUMNS_MAX ? "rows dense" : "rows"}">
<thead><tr>${columns.map((column) => markup`<th>${column}</th>`)}</tr></thead>
${rows.map((row) => {
  const cells = row.map(
    (cell, i) => markup`<td data-column="${columns[i] ?? ""}">${shown(cell)}</td>`,
  );
  return markup`<tr>${cells}</tr>`;
})}
</table>`;

const factsOf = (rows: readonly (readonly [string, Cell])[]): Markup =>
  markup`<table class="facts">${rows.map(
    ([name, value]) => markup`<tr><td>${name}</td><td>${shown(value)}</td></tr>`,
  )}</table>`;

const listOf = (style: string, texts: readonly string[]): Markup =>
  texts.length === 0
    ? markup``
    : markup`<ul class="${style}">${texts.map((text) => markup`<li>${text}</li>`)}</ul>`;

const chartOf = (chart: Chart): Markup =>
  markup`<figure data-chart="${JSON.stringify(chart)}"><figcaption>${chart.title}</figcaption></figure>`;

const VERDICT_CLASS = {
  aim: "good",
  "at least": "fine",
  missed: "bad",
  "not measured": "soft",
} as const satisfies Record<Row["verdict"], string>;

const summaryTable = (rows: readonly Row[]): Markup =>
  tableOf(
    ["what", "at least", "aim", "measured", "ratio to at least", "reached"],
    rows.map(({ id, what, unit, better, atLeast, aim, measured, ratio, verdict }) => {
      const bound = (value: number): string => `${better === "less" ? "≤ " : ""}${format(value)}`;
      const word = verdict === "not measured" ? `not measured: ${howToMeasure(id)}` : verdict;
      return [
        `${what}, ${unit}`,
        bound(atLeast),
        bound(aim),
        markup`<strong>${measured === null ? "–" : format(measured)}</strong>`,
        ratio === null ? "–" : `${format(ratio)} ×`,
        markup`<span class="${VERDICT_CLASS[verdict]}">${word}</span>`,
      ];
    }),
  );

function ratioTable({ ratios }: BenchReport): Markup {
  if (ratios.length === 0) return markup``;
  return markup`<h3>Beside others in the same run, accepted per second</h3>
${factsOf(ratios.map(({ what, value }) => [`Tollgate ${what}`, `${format(value)} ×`]))}
<p class="soft">The echo stores nothing. The pipelines on Bento look the key up by its keyed hash, take the quota
in Redis by a script, encrypt the prompt, insert a row and publish a confirmed, persistent message before they
answer 202; without keys and encryption they do the rest. bench/README.md tells the method and its limits.</p>`;
}

function machineFacts({ machine, servers, k6 }: BenchReport): [string, string][] {
  const memory = `${format(machine.memoryBytes / 2 ** 30)} GB`;
  return [
    ["machine", `${machine.cores} cores, ${machine.cpu}, ${memory}`],
    ["system", `${machine.distribution}, Linux ${machine.kernel}`],
    ["servers", servers],
    ["software", `commit ${machine.commit}, Bun ${machine.bun}, k6 ${k6}`],
    ["load before", `${machine.loadBefore} runnable processes, mean of the minute before`],
  ];
}

/** Who is drawn, by scenario; the echo would squeeze the others against the axis and has its row only. */
const CONTENDERS = [
  ["frontier", "Tollgate"],
  ["bento-tuned", "Bento, tuned"],
  ["bento-documented", "Bento, documented"],
  ["echo", "bare Elysia echo"],
] as const;

/** Throughput against latency of everything that accepts requests. */
function frontierSection(outcomes: readonly Outcome[]): Markup {
  const found = CONTENDERS.flatMap(([scenario, name]) => {
    const loads = outcomes.find((outcome) => outcome.scenario === scenario)?.loads ?? [];
    return loads.length === 0 ? [] : [{ scenario, name, loads }];
  });
  if (found.length === 0) return markup``;
  const orDash = (value: number): string => (value === 0 ? "–" : format(value));
  return markup`<h2 id="throughput-against-latency">Throughput against latency</h2>
<p>Each dot is one load: how much was accepted per second, and the 99th percentile of its latency meanwhile.
Open loop: calls come at a constant rate, whatever the answers, and their latency counts from the instant they
were due. Closed loop: each connection sends its next call when the last is answered, so that a slow server is
asked less.</p>
${tableOf(
  ["accepted per second with p99 below", ...FRONTIER_P99_MS.map((ms) => `${ms} ms`), "most"],
  found.map(({ name, loads }) => [
    name,
    ...FRONTIER_P99_MS.map((ms) => orDash(frontier(loads, ms))),
    Math.max(...loads.map(({ perSecond }) => perSecond)),
  ]),
)}
${chartOf(frontierChart(found.filter(({ scenario }) => scenario !== "echo")))}`;
}

function scenarioSection(outcome: Outcome): Markup {
  const { scenario, about, figures, tables = [], notes, failures, seconds } = outcome;
  return markup`<h2 id="${scenario}">${scenario}</h2>
<p>${about} <span class="soft">(${formatSeconds(seconds)})</span></p>
${listOf("bad", failures)}
${factsOf(figures.map(figureRow))}
${tables.map(titledTable)}
${listOf("soft", notes)}
<div class="charts">${chartsOf(outcome).map(chartOf)}</div>
${loadTable(outcome)}`;
}

function figureRow({ target, what, value, unit }: Figure): [string, Cell] {
  const text = `${format(value)} ${unit}`;
  return [what, target === undefined ? text : markup`<strong>${text}</strong>`];
}

const titledTable = ({ title, columns, rows }: Table): Markup =>
  markup`<h3>${title}</h3>${tableOf(columns, rows)}`;

const LOAD_COLUMNS = [
  "load",
  "by",
  "offered/s",
  "answered/s",
  "p50 ms",
  "p95 ms",
  "p99 ms",
  "p99.9 ms",
];

function loadTable({ loads, samples }: Outcome): Markup {
  if (loads.length === 0) return markup``;
  const rows = loads.map((load) => [
    load.name,
    load.generator,
    load.offeredPerSecond ?? "closed loop",
    load.perSecond,
    load.latencyMs.p50,
    load.latencyMs.p95,
    load.latencyMs.p99,
    load.latencyMs.p999,
    load.latencyMs.max,
    otherAnswers(load),
    load.generatorCores ?? 0,
  ]);
  const columns = [...LOAD_COLUMNS, "longest, ms", "other answers", "generator, cores"];
  return markup`${tableOf(columns, rows)}
<p class="soft">${samples.length === 0 ? "" : `Mean cores meanwhile: ${meanParts(samples)}`}</p>`;
}

function meanParts(samples: Outcome["samples"]): string {
  const names = [...new Set(samples.flatMap(({ cores }) => Object.keys(cores)))];
  return names
    .map((name) => ({ name, cores: meanCores(samples, name) ?? 0 }))
    .sort((a, b) => b.cores - a.cores)
    .map(({ name, cores }) => `${name} ${cores.toFixed(2)}`)
    .join(" · ");
}

function otherAnswers({ unexpected, dropped }: LoadResult): string {
  const parts = Object.entries(unexpected).map(
    ([status, count]) => `${count} × ${status === "0" ? "lost" : status}`,
  );
  if (dropped > 0) parts.push(`${dropped} not sent or not answered`);
  return parts.length === 0 ? "–" : parts.join(", ");
}
