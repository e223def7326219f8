import { expect, test } from "bun:test";

import type { Difference } from "../../core/audit/difference.ts";
import { adviceOn, describeDifference } from "./audit-text.ts";
import { describeQueues } from "./queue-look.ts";

const DRIFT: Difference = {
  kind: "used_differs",
  userId: "u1",
  window: "daily",
  windowId: "2026-11-21",
  unit: "tokens",
  redis: 1_239,
  postgres: 239,
};
const UNBILLED: Difference = { kind: "ledger_missing", requestId: "r1", state: "failed" };

test("a difference names user, window and both figures", () => {
  expect(describeDifference(DRIFT)).toBe(
    "user u1: 2026-11-21 tokens used: Redis 1,239, ledger + holds 239",
  );
});

test("repairing is advised for what it mends, and for nothing else", () => {
  expect(adviceOn([])).toBe("the books agree");
  expect(adviceOn([DRIFT])).toContain("--repair");
  expect(adviceOn([UNBILLED])).not.toContain("--repair");
  expect(adviceOn([UNBILLED])).toContain("the books differ");
});

test("more messages than open requests are told as what they may be, not as an error", () => {
  const look = { ready: { inference_requests: 3, "inference_requests.dead": 0 }, readyOnPath: 3 };

  expect(describeQueues(look, 3)[0]).toContain("not more than the 3 open requests");
  expect(describeQueues(look, 2)[0]).toContain("duplicates");
});
