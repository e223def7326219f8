import { describe, expect, test } from "bun:test";

import { drawTimeline } from "./picture.ts";
import { clock, minuteTicks, niceCeiling, shortFigure } from "./scale.ts";
import type { Sample, Timeline } from "./timeline.ts";

const sample = (atSeconds: number, ready: number, waiting: number | null): Sample => ({
  atSeconds,
  replicas: { worker: { wanted: ready, ready } },
  queued: waiting,
  waiting,
  oldestSeconds: 0,
  tokensRunnable: null,
  tokensPerMinute: null,
});

const timeline: Timeline = {
  startedAt: "2026-11-21T10:00:00.000Z",
  samples: [sample(0, 0, 0), sample(60, 5, 10), sample(90, 5, null), sample(120, 0, 4)],
  marks: [
    { atSeconds: 30, text: "wake & sleep", kind: "phase" },
    { atSeconds: 40, text: "queue < length", kind: "trial" },
    { atSeconds: 41, text: "a remark", kind: "remark" },
  ],
};

const pathOf = (svg: string, look: string, nth: number): string =>
  [...svg.matchAll(new RegExp(`<path class="${look}" d="([^"]*)"`, "g"))][nth]?.[1] ?? "none";

describe("the picture of a timeline", () => {
  const svg = drawTimeline(timeline);

  test("has replicas as steps from zero up and back, over the whole width and height", () => {
    expect(pathOf(svg, "a", 0)).toBe("M52 214H500V84H724V84H948V214");
  });

  test("has a gap where nothing could be read", () => {
    expect(pathOf(svg, "b", 1).match(/M/g)).toHaveLength(2);
  });

  test("names phases and what they try as text, whatever it contains, and no remarks", () => {
    expect(svg).toContain(">wake &amp; sleep</text>");
    expect(svg).toContain(">queue &lt; length</text>");
    expect(svg).not.toContain("a remark");
  });

  test("has colours for a dark page too", () => {
    expect(svg).toContain("prefers-color-scheme: dark");
  });
});

test("an axis ends at a round figure that is not below the largest value", () => {
  expect([0, 1, 3, 7, 11, 250, 1_800].map(niceCeiling)).toEqual([1, 1, 5, 10, 20, 500, 2_000]);
});

test("figures and moments on an axis are short", () => {
  expect([500, 2_500, 1_000_000].map(shortFigure)).toEqual(["500", "2.5k", "1M"]);
  expect([0, 95, 600].map(clock)).toEqual(["0:00", "1:35", "10:00"]);
  expect(minuteTicks(190)).toEqual([0, 60, 120, 180]);
});
