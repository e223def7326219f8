import { clock, minuteTicks, niceCeiling, shortFigure } from "./scale.ts";
import type { Mark, Sample, Timeline } from "./timeline.ts";

interface Curve {
  name: string;
  /** A class of the style below. */
  look: string;
  read: (sample: Sample) => number | null;
  /** Holds its value until the next sample; else a straight line leads there. */
  isStep?: boolean;
}

interface Panel {
  title: string;
  curves: readonly Curve[];
}

const readyOf =
  (name: string) =>
  ({ replicas }: Sample): number =>
    replicas[name]?.ready ?? 0;

const PANELS: readonly Panel[] = [
  {
    title: "ready replicas",
    curves: [
      { name: "worker", look: "a", read: readyOf("worker"), isStep: true },
      { name: "gateway", look: "b", read: readyOf("gateway"), isStep: true },
      { name: "ml", look: "c", read: readyOf("ml"), isStep: true },
    ],
  },
  {
    title: "requests",
    curves: [
      { name: "open", look: "b", read: ({ waiting }) => waiting },
      { name: "ready in the queues", look: "a", read: ({ queued }) => queued },
    ],
  },
  {
    title: "tokens",
    curves: [
      { name: "that could run", look: "b", read: ({ tokensRunnable }) => tokensRunnable },
      { name: "processed per minute", look: "a", read: ({ tokensPerMinute }) => tokensPerMinute },
    ],
  },
];

const WIDTH = 960;
const LEFT = 52;
const RIGHT = 12;
const TOP = 84;
const PANEL = 130;
const GAP = 34;
const BOTTOM = 30;
const HEIGHT = TOP + PANELS.length * (PANEL + GAP) - GAP + BOTTOM;
const LABEL_PX = 12;
/** Names of phases stand above those of what they try; in each of them names take turns. */
const LABEL_ROWS = { phase: { first: 0, count: 3 }, trial: { first: 3, count: 2 } };

/** Reads well on white and on black: whoever shows it says which by `prefers-color-scheme`. */
const STYLE = `
text { font: 11px system-ui, sans-serif; fill: #57606a; }
.title { font-weight: 600; fill: #24292f; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.phase { stroke: #8c959f; stroke-width: 1; }
.trial { stroke: #8c959f; stroke-width: 1; stroke-dasharray: 2 4; }
text.phase { stroke: none; font-weight: 600; } text.trial { stroke: none; font-size: 10px; }
.a, .b, .c { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
.a { stroke: #0969da; } .b { stroke: #bc4c00; } .c { stroke: #1a7f37; }
text.a, text.b, text.c { stroke: none; font-weight: 600; }
text.a { fill: #0969da; } text.b { fill: #bc4c00; } text.c { fill: #1a7f37; }
@media (prefers-color-scheme: dark) {
  text { fill: #8b949e; } .title { fill: #e6edf3; }
  .grid { stroke: #30363d; } .phase, .trial { stroke: #6e7681; }
  .a { stroke: #58a6ff; } .b { stroke: #f0883e; } .c { stroke: #3fb950; }
  text.a { fill: #58a6ff; } text.b { fill: #f0883e; } text.c { fill: #3fb950; }
}`;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const px = (value: number): string => String(Math.round(value * 10) / 10);

/** Draws a timeline as SVG: replicas, requests and tokens over time, with the phases. */
export function drawTimeline({ samples, marks, startedAt }: Timeline): string {
  const seconds = Math.max(60, ...samples.map(({ atSeconds }) => atSeconds));
  const x = (atSeconds: number): number => LEFT + (atSeconds / seconds) * (WIDTH - LEFT - RIGHT);
  const panels = PANELS.map((panel, at) => drawPanel(panel, samples, x, topOf(at)));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"
aria-label="Replicas, requests and tokens while the drill ran on ${escaped(startedAt)}">
<style>${STYLE}</style>
${drawMarks(marks, "phase", x)}
${drawMarks(marks, "trial", x)}
${panels.join("\n")}
${minuteTicks(seconds)
  .map((at) => `<text x="${px(x(at))}" y="${HEIGHT - 10}" text-anchor="middle">${clock(at)}</text>`)
  .join("\n")}
</svg>
`;
}

const topOf = (panel: number): number => TOP + panel * (PANEL + GAP);

function drawPanel(
  { title, curves }: Panel,
  samples: readonly Sample[],
  x: (atSeconds: number) => number,
  top: number,
): string {
  const values = curves.flatMap(({ read }) => samples.map(read)).filter((value) => value !== null);
  const max = niceCeiling(Math.max(1, ...values));
  const y = (value: number): number => top + PANEL - (value / max) * PANEL;
  const rules = [0, max / 2, max].map(
    (value) =>
      `<path class="grid" d="M${LEFT} ${px(y(value))}H${WIDTH - RIGHT}"/>` +
      `<text x="${LEFT - 6}" y="${px(y(value) + 4)}" text-anchor="end">${shortFigure(value)}</text>`,
  );
  let legend = LEFT + title.length * 7 + 16;
  const names = curves.map(({ name, look }) => {
    const at = legend;
    legend += name.length * 6.5 + 16;
    return `<text class="${look}" x="${px(at)}" y="${top - 6}">${escaped(name)}</text>`;
  });
  const lines = curves.map(({ look, read, isStep }) => {
    const path = pathOf(samples, read, { x, y, isStep: isStep === true });
    return `<path class="${look}" d="${path}"/>`;
  });
  return [
    `<text class="title" x="${LEFT}" y="${top - 6}">${escaped(title)}</text>`,
    ...names,
    ...rules,
    ...lines,
  ].join("\n");
}

/** A path through the samples that have a value, with a gap where there is none. */
function pathOf(
  samples: readonly Sample[],
  read: Curve["read"],
  {
    x,
    y,
    isStep,
  }: { x: (atSeconds: number) => number; y: (value: number) => number; isStep: boolean },
): string {
  let path = "";
  let isOpen = false;
  for (const sample of samples) {
    const value = read(sample);
    if (value === null) {
      isOpen = false;
      continue;
    }
    const [at, height] = [px(x(sample.atSeconds)), px(y(value))];
    if (!isOpen) path += `M${at} ${height}`;
    else path += isStep ? `H${at}V${height}` : `L${at} ${height}`;
    isOpen = true;
  }
  return path;
}

/** Neighbours may be close: their names take turns in height, so that they do not cover each other. */
function drawMarks(
  marks: readonly Mark[],
  kind: "phase" | "trial",
  x: (atSeconds: number) => number,
): string {
  const { first, count } = LABEL_ROWS[kind];
  return marks
    .filter((mark) => mark.kind === kind)
    .map(({ atSeconds, text }, at) => {
      const y = 11 + (first + (at % count)) * LABEL_PX;
      const left = px(x(atSeconds));
      return (
        `<path class="${kind}" d="M${left} ${y + 3}V${HEIGHT - BOTTOM}"/>` +
        `<text class="${kind}" x="${px(x(atSeconds) + 3)}" y="${y}">${escaped(text)}</text>`
      );
    })
    .join("\n");
}
