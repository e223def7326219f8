import { expect, test } from "bun:test";

import { formatBill } from "./generate.ts";

const status = (estimated: number, total: number | null, refunded: number | null) => ({
  request_id: "r1",
  status: "completed" as const,
  tokens: { estimated, total, refunded },
});

test("the bill says what was held, used and given back", () => {
  expect(formatBill(status(1_260, 125, 1_135), 1_234)).toBe(
    "1,260 tokens held, 125 used, 1,135 given back, 1.2 s",
  );
});

test("what was used beyond the estimate is told as charged", () => {
  expect(formatBill(status(20, 25, -5), 900)).toContain("5 charged on top");
});

test("what was not executed is billed nothing", () => {
  expect(formatBill(status(20, null, 20), 0)).toContain("0 used, 20 given back");
});
