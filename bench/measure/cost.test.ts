import { expect, test } from "bun:test";

import { type Cost, costTable } from "./cost.ts";

test("a table of costs has a column for each part that ran and for what only this one has", () => {
  const row = (name: string, cpuUs: Record<string, number>): Cost => {
    return { name, perSecond: 1_000, cpuUs: new Map(Object.entries(cpuUs)) };
  };
  const extra = { "bytes per user": 900 };
  const table = costTable("users", "users", [
    row("10", { gateway: 100, redis: 20 }),
    { ...row("1,000", { gateway: 101, redis: 30 }), extra },
  ]);

  expect(table.columns.slice(4)).toEqual(["CPU, µs", "gateway, µs", "redis, µs", "bytes per user"]);
  expect(table.rows.map((cells) => cells.slice(4))).toEqual([
    [120, 100, 20, "–"],
    [131, 101, 30, 900],
  ]);
});
