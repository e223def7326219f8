import { expect, test } from "bun:test";

import type { Sample } from "../figures.ts";
import { costFigures } from "./sampler.ts";

const sample = (atSeconds: number, cores: Record<string, number>): Sample => ({
  atSeconds,
  cores,
  bytes: {},
  queues: {},
});

test("CPU per request is what the parts took over the time between samples, without bystanders", () => {
  const samples = [
    sample(1, { gateway: 0.5, postgres: 0.25, generator: 1, other: 0.2 }),
    sample(3, { gateway: 0.25, postgres: 0.125, generator: 1 }),
  ];

  expect(costFigures(samples, 1_000)).toEqual([
    { what: "CPU per request: all parts together", unit: "ms", value: 1.5 },
    { what: "CPU per request: gateway", unit: "ms", value: 1 },
    { what: "CPU per request: postgres", unit: "ms", value: 0.5 },
  ]);
});

test("without requests or samples there is no cost", () => {
  expect(costFigures([], 10)).toEqual([]);
  expect(costFigures([sample(1, { gateway: 1 })], 0)).toEqual([]);
});
