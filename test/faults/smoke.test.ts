import { expect, test } from "bun:test";

import { violationsOf } from "./history/check.ts";
import { runUnderLoad } from "./run.ts";

test("without a fault the checker finds nothing wrong", async () => {
  const report = await runUnderLoad({ stack: { gateways: 2 } }, () => Bun.sleep(3_000));

  expect(violationsOf(report)).toEqual([]);
  expect(report.attempted).toBeGreaterThan(200);
  expect(report.ok).toBe(report.attempted);
  expect(report.tokens.simulator).toBe(report.tokens.ledger);
}, 60_000);
