import { expect, test } from "bun:test";

import { bendsOf, costTable } from "./cost-table.ts";
import type { Cost } from "./cost.ts";

const cost = (cpuUs: Record<string, number>): Cost => ({
  perSecond: 1_000,
  p50Ms: 1,
  p99Ms: 4,
  cpuUs: new Map(Object.entries(cpuUs)),
});

test("a table of costs has a column for each part that ran and for what only this one has", () => {
  const table = costTable("users", "users", [
    { name: "10", cost: cost({ gateway: 100, redis: 20 }) },
    { name: "1,000", cost: cost({ gateway: 101, redis: 30 }), extra: { "bytes per user": 900 } },
  ]);

  expect(table.columns.slice(4)).toEqual(["CPU, µs", "gateway, µs", "redis, µs", "bytes per user"]);
  expect(table.rows.map((row) => row.slice(4))).toEqual([
    [120, 100, 20, "–"],
    [131, 101, 30, 900],
  ]);
});

test("a part is said to bend only when it costs clearly more at the last size", () => {
  const rows = [
    { name: "10", cost: cost({ gateway: 100, redis: 4, postgres: 50 }) },
    {
      name: "1,000",
      cost: cost({ gateway: 110, redis: 8, postgres: 10, "postgres for gateway": 80 }),
    },
  ];

  expect(bendsOf(rows)).toEqual(["postgres: 50 → 90 µs per request from 10 to 1,000"]);
});

test("a growth that bends nothing says so", () => {
  const rows = [
    { name: "10", cost: cost({ gateway: 100 }) },
    { name: "1,000", cost: cost({ gateway: 101 }) },
  ];

  expect(bendsOf(rows)).toEqual(["no part costs over 25 % more from 10 to 1,000"]);
});

test("sizes that were not answered at the same rate are not compared", () => {
  const slow = { ...cost({ gateway: 900 }), perSecond: 145 };
  const rows = [
    { name: "1", cost: cost({ gateway: 100 }) },
    { name: "4", cost: slow },
  ];

  expect(bendsOf(rows)).toEqual([
    "1000 → 145 answered per second from 1 to 4: costs per request do not compare",
  ]);
});
