// Runs in the page: draws every chart that `page.ts` has put there as data.
import uPlot from "uplot";

const HEIGHT = 240;
const FONT = "11px system-ui, sans-serif";
const CHARACTER_WIDTH = 6.5;

/** A colour of `style.css` as it is on this screen, light or dark. */
function colour(name) {
  document.body.style.outlineColor = `var(--${name})`;
  return getComputedStyle(document.body).outlineColor;
}
const shortly = (value) =>
  value == null ? "" : value.toLocaleString("en", { maximumSignificantDigits: 3 });

/** Part of something, and the second of two that belong together, is dashed and has a hollow mark. */
const isDashed = (name) => / for |^results$/.test(name);

function lineOf({ name }) {
  const stroke = colour(`c-${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`);
  return {
    label: name,
    stroke,
    width: 1.75,
    ...(isDashed(name) ? { dash: [5, 4] } : {}),
    spanGaps: true,
    points: { show: false, stroke, fill: isDashed(name) ? colour("card") : stroke },
    value: (_, value) => shortly(value),
  };
}

/** Makes the axis upward as wide as its longest number, so that none is cut off. */
const sizeOf = (_, texts) =>
  12 + CHARACTER_WIDTH * Math.max(3, ...(texts ?? []).map((one) => one.length));

function axisOf(label, size) {
  return {
    label,
    labelSize: 20,
    font: FONT,
    labelFont: FONT,
    stroke: colour("soft"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
    values: (_, splits) => splits.map(shortly),
    size,
  };
}

function draw(figure) {
  const { yLabel, isLog, series } = JSON.parse(figure.dataset.chart);
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort(
    (a, b) => a - b,
  );
  const columns = series.map(({ points }) => {
    const byX = new Map(points);
    return xs.map((x) => byX.get(x) ?? null);
  });
  const { paddingLeft, paddingRight } = getComputedStyle(figure);
  const options = {
    width: figure.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight),
    height: HEIGHT,
    scales: {
      x: { time: false, range: (_, _min, max) => [0, max] },
      y: isLog ? { distr: 3 } : { range: (_, _min, max) => [0, max * 1.05] },
    },
    axes: [axisOf("seconds", 24), axisOf(yLabel, sizeOf)],
    legend: { markers: { fill: (plot, at) => plot.series[at].points.fill?.() } },
    series: [{ label: "seconds", value: (_, value) => shortly(value) }, ...series.map(lineOf)],
  };
  return new uPlot(options, [xs, ...columns], figure);
}

let plots = [];
function drawAll() {
  for (const plot of plots) plot.destroy();
  plots = [...document.querySelectorAll("[data-chart]")].map(draw);
}
drawAll();
addEventListener("resize", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
