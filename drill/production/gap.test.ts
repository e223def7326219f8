import { expect, test } from "bun:test";

import type { HistoryEvent } from "../../history/history.ts";
import { gapIn } from "./gap.ts";

const at = { op: 1, monotonicMs: 0, act: "generate" } as const;
const accept = (wallMs: number): HistoryEvent => ({
  ...at,
  wallMs,
  type: "ok",
  requestId: "r",
});

async function* history(): AsyncGenerator<HistoryEvent> {
  yield accept(900);
  yield accept(1_100);
  yield { ...at, wallMs: 1_500, type: "fail", status: 503, code: "STORE_UNAVAILABLE" };
  yield { ...at, wallMs: 3_000, type: "info", reason: "TimeoutError" };
  yield accept(4_600);
  yield accept(4_700);
  yield accept(9_000);
}

test("a gap is the longest time without an accept within the stretch", async () => {
  expect(await gapIn(history(), 1_000, 5_000)).toEqual({
    seconds: 3.5,
    accepts: 3,
    refused: 1,
    unknown: 1,
  });
});

test("a stretch that ends without an accept is a gap to its end", async () => {
  expect(await gapIn(history(), 4_650, 8_700)).toMatchObject({ seconds: 4, accepts: 1 });
});
