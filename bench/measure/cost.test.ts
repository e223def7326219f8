import { expect, test } from "bun:test";

import { sampleAt } from "../report/samples.ts";
import { bendsOf, costTable, cpuUsOf, noteCosts, type CostRow } from "./cost.ts";

const row = (
  name: string,
  cpuUs: Record<string, number>,
  parts: Partial<CostRow> = {},
): CostRow => {
  const latencyMs = { p50: 1, p99: 4 };
  return { name, perSecond: 1_000, latencyMs, cpuUs: new Map(Object.entries(cpuUs)), ...parts };
};

test("CPU per request is what the parts took between samples, without bystanders", () => {
  const figures: unknown[] = [];
  const samples = [
    sampleAt(1, { gateway: 0.5, postgres: 0.25, generator: 1, other: 0.2 }),
    sampleAt(3, { gateway: 0.25, postgres: 0.125, generator: 1 }),
  ];
  const sampler = { samples: () => samples, restart: () => {}, watch: () => {} };

  noteCosts({ sampler, figure: (...figure) => void figures.push(figure) }, 1_000);

  expect(figures).toEqual([
    ["CPU per request: all parts together", "ms", 1.5],
    ["CPU per request: gateway", "ms", 1],
    ["CPU per request: postgres", "ms", 0.5],
  ]);
});

test("seconds of CPU by part become microseconds per request", () => {
  expect(cpuUsOf(new Map([["gateway", 1.5]]), 10_000)).toEqual(new Map([["gateway", 150]]));
});

test("a table of costs has a column for each part that ran and for what only this one has", () => {
  const table = costTable("users", "users", [
    row("10", { gateway: 100, redis: 20 }),
    row("1,000", { gateway: 101, redis: 30 }, { extra: { "bytes per user": 900 } }),
  ]);

  expect(table.columns.slice(4)).toEqual(["CPU, µs", "gateway, µs", "redis, µs", "bytes per user"]);
  expect(table.rows.map((cells) => cells.slice(4))).toEqual([
    [120, 100, 20, "–"],
    [131, 101, 30, 900],
  ]);
});

test("a part is said to bend only when it costs clearly more at the last size", () => {
  const first = row("10", { gateway: 100, redis: 4, postgres: 50 });
  const last = row("20", { gateway: 110, redis: 8, postgres: 10, "postgres for gateway": 80 });

  expect(bendsOf([first, last])).toEqual(["postgres: 50 → 90 µs per request from 10 to 20"]);
  expect(bendsOf([first, { ...first, name: "20" }])).toEqual([
    "no part costs over 25 % more from 10 to 20",
  ]);
});

test("sizes that were not answered at the same rate are not compared", () => {
  const rows = [row("1", { gateway: 100 }), row("4", { gateway: 900 }, { perSecond: 145 })];

  expect(bendsOf(rows)).toEqual([
    "1000 → 145 answered per second from 1 to 4: costs per request do not compare",
  ]);
});
