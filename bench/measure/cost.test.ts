import { expect, test } from "bun:test";

import type { Sample } from "../figures.ts";
import { cpuUsOf, noteCosts } from "./cost.ts";

const sample = (atSeconds: number, cores: Record<string, number>): Sample => ({
  atSeconds,
  cores,
  bytes: {},
  queues: {},
});

function noted(samples: Sample[], requests: number): unknown[] {
  const figures: unknown[] = [];
  const sampler = { samples: () => samples, restart: () => {}, watch: () => {} };
  noteCosts({ sampler, figure: (...figure) => void figures.push(figure) }, requests);
  return figures;
}

test("CPU per request is what the parts took between samples, without bystanders", () => {
  const samples = [
    sample(1, { gateway: 0.5, postgres: 0.25, generator: 1, other: 0.2 }),
    sample(3, { gateway: 0.25, postgres: 0.125, generator: 1 }),
  ];

  expect(noted(samples, 1_000)).toEqual([
    ["CPU per request: all parts together", "ms", 1.5],
    ["CPU per request: gateway", "ms", 1],
    ["CPU per request: postgres", "ms", 0.5],
  ]);
});

test("without requests or samples there is no cost", () => {
  expect(noted([], 10)).toEqual([]);
  expect(noted([sample(1, { gateway: 1 })], 0)).toEqual([]);
});

test("seconds of CPU by part become microseconds per request", () => {
  expect(cpuUsOf(new Map([["gateway", 1.5]]), 10_000)).toEqual(new Map([["gateway", 150]]));
});
