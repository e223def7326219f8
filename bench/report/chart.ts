import { format } from "../judge.ts";
import { html, type Markup } from "./html.ts";
import { linearScale, logScale, type Scale } from "./scale.ts";

export interface Series {
  name: string;
  points: readonly { x: number; y: number; label?: string }[];
  /** Only dots: the points are not a course in time. */
  isLoose?: boolean;
}

export interface Chart {
  title: string;
  xLabel: string;
  yLabel: string;
  series: readonly Series[];
  /** Logarithmic upward: latencies from tenths of a millisecond to seconds. */
  isLog?: boolean;
  /** Horizontal lines, such as a bound. */
  bounds?: readonly { y: number; name: string }[];
}

const WIDTH = 560;
const HEIGHT = 240;
const PLOT = { left: 56, right: WIDTH - 12, top: 10, bottom: HEIGHT - 40 };
const COLOURS_MAX = 8;

const flat = <Value>(series: readonly Series[], read: (point: { x: number; y: number }) => Value) =>
  series.flatMap(({ points }) => points.map(read));

/** A figure with one SVG and its legend; colours come from the page's style. Empty series are left out. */
export function renderChart(chart: Chart): Markup {
  const series = chart.series.filter(({ points }) => points.length > 0).slice(0, COLOURS_MAX);
  if (series.length === 0) return html``;
  const x = linearScale(0, Math.max(1, ...flat(series, (point) => point.x)), PLOT.left, PLOT.right);
  const y = verticalScale(chart, series);
  return html`<figure>
    <figcaption>${chart.title}</figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${chart.title}">
      ${gridOf(x, y)}
      <text class="axis" x="${(PLOT.left + PLOT.right) / 2}" y="${HEIGHT - 4}" text-anchor="middle">
        ${chart.xLabel}
      </text>
      <text
        class="axis"
        transform="translate(11 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)"
        text-anchor="middle"
      >
        ${chart.yLabel}
      </text>
      ${(chart.bounds ?? []).map((bound) => boundLine(bound, y))}
      ${series.map((one, index) => drawSeries(one, index, x, y))}
    </svg>
    <p class="legend">
      ${series.map(({ name }, index) => html`<span class="c${index}">${name}</span>`)}
    </p>
  </figure>`;
}

function verticalScale({ isLog = false, bounds = [] }: Chart, series: readonly Series[]): Scale {
  const values = [...flat(series, (point) => point.y), ...bounds.map(({ y }) => y)];
  const highest = Math.max(...values);
  if (!isLog) return linearScale(0, Math.max(highest, 1e-6), PLOT.bottom, PLOT.top);
  const lowest = Math.max(0.05, Math.min(...values));
  return logScale(lowest * 0.8, Math.max(highest, lowest * 2) * 1.2, PLOT.bottom, PLOT.top);
}

function gridOf(x: Scale, y: Scale): Markup[] {
  return [
    ...y.ticks.map(
      (tick) =>
        html`<line
            class="grid"
            x1="${PLOT.left}"
            x2="${PLOT.right}"
            y1="${y.at(tick).toFixed(1)}"
            y2="${y.at(tick).toFixed(1)}"
          />
          <text
            class="tick"
            x="${PLOT.left - 6}"
            y="${(y.at(tick) + 3.5).toFixed(1)}"
            text-anchor="end"
            >${format(tick)}</text
          >`,
    ),
    ...x.ticks
      .filter((tick) => x.at(tick) <= PLOT.right + 1)
      .map(
        (tick) =>
          html`<text
            class="tick"
            x="${x.at(tick).toFixed(1)}"
            y="${PLOT.bottom + 14}"
            text-anchor="middle"
            >${format(tick)}</text
          >`,
      ),
  ];
}

function boundLine({ y: value, name }: { y: number; name: string }, y: Scale): Markup {
  const at = y.at(value).toFixed(1);
  return html`<line class="bound" x1="${PLOT.left}" x2="${PLOT.right}" y1="${at}" y2="${at}" />
    <text class="bound-name" x="${PLOT.right}" y="${(y.at(value) - 4).toFixed(1)}" text-anchor="end"
      >${name}</text
    >`;
}

function drawSeries(series: Series, index: number, x: Scale, y: Scale): Markup {
  const places = series.points.map((point) => ({
    ...point,
    at: `${x.at(point.x).toFixed(1)},${y.at(point.y).toFixed(1)}`,
  }));
  const line =
    series.isLoose === true
      ? html``
      : html`<polyline class="c${index}" points="${places.map(({ at }) => at).join(" ")}" />`;
  // Dots only where they can be told apart; each says its values when pointed at.
  if (series.isLoose !== true && places.length > 40) return line;
  const dots = places.map(({ at, x: px, y: py, label }) => {
    const [cx = "0", cy = "0"] = at.split(",");
    return html`<circle
      class="c${index}"
      cx="${cx}"
      cy="${cy}"
      r="${series.isLoose === true ? 4 : 2}"
      ><title>${label ?? `${series.name}: ${format(px)}, ${format(py)}`}</title></circle
    >`;
  });
  return html`${line}${dots}`;
}
