import type { LoadResult, Outcome } from "../figures.ts";
import { format } from "../judge.ts";
import { frontier, FRONTIER_P99_MS } from "../scenarios/accept.ts";
import { renderChart, type Series } from "./chart.ts";
import { html, type Markup } from "./html.ts";

/** Who is drawn, by scenario. The echo would squeeze the others against the axis and has its row in the table only. */
const SHOWN = [
  { scenario: "frontier", name: "Tollgate" },
  { scenario: "bento-tuned", name: "Bento, tuned" },
  { scenario: "bento-documented", name: "Bento, as documented" },
  { scenario: "echo", name: "bare Elysia echo" },
] as const;

/** Throughput against latency of everything that accepts requests. */
export function frontierSection(outcomes: readonly Outcome[]): Markup {
  const found = SHOWN.flatMap(({ scenario, name }) => {
    const loads = outcomes.find((outcome) => outcome.scenario === scenario)?.loads ?? [];
    return loads.length === 0 ? [] : [{ scenario, name, loads }];
  });
  if (found.length === 0) return html``;
  const series = found
    .filter(({ scenario }) => scenario !== "echo")
    .flatMap(({ name, loads }) => seriesOf(name, loads));
  return html`<h2 id="throughput-against-latency">Throughput against latency</h2>
    <p>
      Each dot is one load: how much was accepted per second, and the 99th percentile of its latency
      meanwhile. Open loop: calls come at a constant rate, whatever the answers, and their latency
      counts from the instant they were due. Closed loop: each connection sends its next call when
      the last is answered, so that a slow server is asked less.
    </p>
    <div class="columns">
      ${renderChart({
        title: "99th percentile of the latency of an acceptance",
        xLabel: "accepted per second",
        yLabel: "p99, ms",
        isLog: true,
        series,
        bounds: FRONTIER_P99_MS.slice(1, 3).map((ms) => ({ y: ms, name: `${ms} ms` })),
      })}
      <div class="wide">
        <table>
          <tr>
            <th>accepted per second with p99 below</th>
            ${FRONTIER_P99_MS.map((ms) => html`<th>${ms} ms</th>`)}
            <th>most</th>
          </tr>
          ${found.map(
            ({ name, loads }) =>
              html`<tr>
                <td>${name}</td>
                ${FRONTIER_P99_MS.map((ms) => html`<td>${orDash(frontier(loads, ms))}</td>`)}
                <td>${format(Math.max(...loads.map(({ perSecond }) => perSecond)))}</td>
              </tr>`,
          )}
        </table>
      </div>
    </div>`;
}

const orDash = (value: number): string => (value === 0 ? "–" : format(value));

function seriesOf(name: string, loads: readonly LoadResult[]): Series[] {
  const parts = [
    { word: "open loop", isOpen: true },
    { word: "closed loop", isOpen: false },
  ];
  return parts.map(({ word, isOpen }) => ({
    name: `${name}, ${word}`,
    isLoose: true,
    points: loads
      .filter(({ offeredPerSecond }) => (offeredPerSecond !== null) === isOpen)
      .map((load) => ({
        x: load.perSecond,
        y: load.latencyMs.p99,
        label: `${name}, ${load.name}: ${format(load.perSecond)}/s, p99 ${format(load.latencyMs.p99)} ms`,
      })),
  }));
}
