import type { LoadResult, Outcome, Table } from "../figures.ts";
import { format, howToMeasure, type Row } from "../judge.ts";
import type { BenchReport } from "../run.ts";
import { meanCores } from "../stack/sampler.ts";
import { type Chart, renderChart, type Series } from "./chart.ts";
import { frontierSection } from "./frontier.ts";
import { html, Markup } from "./html.ts";
import { STYLE } from "./style.ts";

/** The whole report as one page that loads nothing from anywhere. */
export function renderPage(report: BenchReport): string {
  const { startedAt, rows, outcomes, failures } = report;
  const day = startedAt.slice(0, 16).replace("T", " ");
  const verdict =
    failures.length === 0
      ? html`<span class="verdict good">everything measured reaches its bound</span>`
      : html`<span class="verdict bad">${failures.length} missed or broken</span>`;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Tollgate bench, ${day}</title>
        <style>
          ${new Markup(STYLE)}
        </style>
      </head>
      <body>
        <h1>Tollgate bench</h1>
        <p class="soft">${day} UTC · ${formatSeconds(report.seconds)} · ${kindOf(report)}</p>
        ${verdict}
        ${
          failures.length === 0
            ? html``
            : html`<ul class="bad">
                ${failures.map((failure) => html`<li>${failure}</li>`)}
              </ul>`
        }
        ${summaryTable(rows)} ${ratioTable(report)} ${machineList(report)}
        <nav>${outcomes.map(({ scenario }) => html`<a href="#${scenario}">${scenario}</a>`)}</nav>
        ${frontierSection(outcomes)} ${outcomes.map(scenarioSection)}
      </body>
    </html>`;
  return page.text;
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

const VERDICT_CLASS = {
  aim: "good",
  "at least": "fine",
  missed: "bad",
  "not measured": "soft",
} as const satisfies Record<Row["verdict"], string>;

function summaryTable(rows: readonly Row[]): Markup {
  return html`<div class="wide">
    <table>
      <tr>
        <th>what</th>
        <th>at least</th>
        <th>aim</th>
        <th>measured</th>
        <th>ratio to at least</th>
        <th>reached</th>
      </tr>
      ${rows.map(
        ({ id, what, unit, better, atLeast, aim, measured, ratio, verdict }) =>
          html`<tr>
            <td>${what}, ${unit}</td>
            <td>${better === "less" ? "≤ " : ""}${format(atLeast)}</td>
            <td>${better === "less" ? "≤ " : ""}${format(aim)}</td>
            <td><strong>${measured === null ? "–" : format(measured)}</strong></td>
            <td>${ratio === null ? "–" : `${format(ratio)} ×`}</td>
            <td class="${VERDICT_CLASS[verdict]}">
              ${verdict === "not measured" ? `not measured: ${howToMeasure(id)}` : verdict}
            </td>
          </tr>`,
      )}
    </table>
  </div>`;
}

function ratioTable({ ratios }: BenchReport): Markup {
  if (ratios.length === 0) return html``;
  return html`<h3>Beside others in the same run, accepted per second</h3>
    <table>
      ${ratios.map(
        ({ what, value }) =>
          html`<tr>
            <td>Tollgate ${what}</td>
            <td>${format(value)} ×</td>
          </tr>`,
      )}
    </table>
    <p class="soft">
      The echo stores nothing. The pipelines on Bento look the key up by its keyed hash, take the
      quota in Redis by a script, encrypt the prompt, insert a row and publish a confirmed,
      persistent message before they answer 202; without keys and encryption they do the rest.
      bench/README.md tells the method and its limits.
    </p>`;
}

function machineList({ machine, servers, k6 }: BenchReport): Markup {
  const facts: [string, string][] = [
    [
      "machine",
      `${machine.cores} cores, ${machine.cpu}, ${format(machine.memoryBytes / 2 ** 30)} GB`,
    ],
    ["system", `${machine.distribution}, Linux ${machine.kernel}`],
    ["servers", servers],
    ["software", `commit ${machine.commit}, Bun ${machine.bun}, k6 ${k6}`],
    ["load before", `${machine.loadBefore} runnable processes, mean of the minute before`],
  ];
  return html`<dl>
    ${facts.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;
}

function scenarioSection(outcome: Outcome): Markup {
  const { scenario, about, figures, notes, failures, seconds } = outcome;
  return html`<h2 id="${scenario}">${scenario}</h2>
    <p>${about} <span class="soft">(${formatSeconds(seconds)})</span></p>
    ${failures.map((failure) => html`<p class="bad">${failure}</p>`)}
    ${
      figures.length === 0
        ? html``
        : html`<table>
            ${figures.map(
              ({ target, what, value, unit }) =>
                html`<tr class="${target === undefined ? "" : "headline"}">
                  <td>${what}</td>
                  <td>${format(value)} ${unit}</td>
                </tr>`,
            )}
          </table>`
    }
    ${(outcome.tables ?? []).map(renderTable)}
    ${
      notes.length === 0
        ? html``
        : html`<ul class="soft">
            ${notes.map((note) => html`<li>${note}</li>`)}
          </ul>`
    }
    <div class="columns">${chartsOf(outcome).map(renderChart)}</div>
    ${loadTable(outcome)}`;
}

function renderTable({ title, columns, rows }: Table): Markup {
  return html`<h3>${title}</h3>
    <div class="wide">
      <table>
        <tr>
          ${columns.map((column) => html`<th>${column}</th>`)}
        </tr>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td>${typeof cell === "number" ? format(cell) : cell}</td>`)}
            </tr>`,
        )}
      </table>
    </div>`;
}

function chartsOf({ loads, samples }: Outcome): Chart[] {
  const courses = loads.filter(({ overTime }) => overTime.length > 2).slice(-2);
  return [
    ...courses.map(latencyChart),
    {
      title: "CPU by part",
      xLabel: "seconds",
      yLabel: "cores",
      series: partsOf({ samples }, "cores", 1, 0.02),
    },
    {
      title: "Memory by part",
      xLabel: "seconds",
      yLabel: "MB",
      series: partsOf({ samples }, "bytes", 2 ** 20, 1),
    },
    {
      title: "Waiting in the queues",
      xLabel: "seconds",
      yLabel: "messages",
      series: partsOf({ samples }, "queues", 1, 0.5),
    },
  ];
}

function latencyChart({ name, overTime }: LoadResult): Chart {
  const course = (key: "p50" | "p95" | "p99"): Series => ({
    name: key,
    points: overTime.map((moment) => ({ x: moment.atSeconds, y: moment[key] })),
  });
  return {
    title: `Latency over time: ${name}`,
    xLabel: "seconds",
    yLabel: "ms",
    isLog: true,
    series: [course("p50"), course("p95"), course("p99")],
  };
}

/** The largest parts over time; those that never reach `atLeast` are left out. */
function partsOf(
  { samples }: Pick<Outcome, "samples">,
  key: "cores" | "bytes" | "queues",
  divisor: number,
  atLeast: number,
): Series[] {
  const names = [...new Set(samples.flatMap((sample) => Object.keys(sample[key])))];
  return names
    .map((name) => ({
      name,
      points: samples.map((sample) => ({
        x: sample.atSeconds,
        y: (sample[key][name] ?? 0) / divisor,
      })),
    }))
    .map((series) => ({ ...series, most: Math.max(...series.points.map(({ y }) => y)) }))
    .filter(({ most }) => most >= atLeast)
    .sort((a, b) => b.most - a.most);
}

function loadTable({ loads, samples }: Outcome): Markup {
  if (loads.length === 0) return html``;
  return html`<div class="wide">
      <table>
        <tr>
          <th>load</th>
          <th>by</th>
          <th>offered/s</th>
          <th>answered/s</th>
          <th>p50 ms</th>
          <th>p95</th>
          <th>p99</th>
          <th>p99.9</th>
          <th>longest</th>
          <th>other answers</th>
          <th>generator, cores</th>
        </tr>
        ${loads.map(
          ({
            name,
            generator,
            offeredPerSecond,
            perSecond,
            latencyMs,
            unexpected,
            dropped,
            generatorCores,
          }) =>
            html`<tr>
              <td>${name}</td>
              <td>${generator}</td>
              <td>${offeredPerSecond === null ? "closed loop" : format(offeredPerSecond)}</td>
              <td>${format(perSecond)}</td>
              <td>${format(latencyMs.p50)}</td>
              <td>${format(latencyMs.p95)}</td>
              <td>${format(latencyMs.p99)}</td>
              <td>${format(latencyMs.p999)}</td>
              <td>${format(latencyMs.max)}</td>
              <td>${otherAnswers(unexpected, dropped)}</td>
              <td>${format(generatorCores ?? 0)}</td>
            </tr>`,
        )}
      </table>
    </div>
    ${
      samples.length === 0
        ? html``
        : html`<p class="soft">Mean cores meanwhile: ${meanParts(samples)}</p>`
    }`;
}

function meanParts(samples: Outcome["samples"]): string {
  const names = [...new Set(samples.flatMap(({ cores }) => Object.keys(cores)))];
  return names
    .map((name) => ({ name, cores: meanCores(samples, name) ?? 0 }))
    .sort((a, b) => b.cores - a.cores)
    .map(({ name, cores }) => `${name} ${cores.toFixed(2)}`)
    .join(" · ");
}

function otherAnswers(unexpected: LoadResult["unexpected"], dropped: number): string {
  const parts = Object.entries(unexpected).map(
    ([status, count]) => `${count} × ${status === "0" ? "lost" : status}`,
  );
  if (dropped > 0) parts.push(`${dropped} not sent or not answered`);
  return parts.length === 0 ? "–" : parts.join(", ");
}
