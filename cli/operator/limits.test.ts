import { expect, test } from "bun:test";

import { NO_LIMIT, type UserLimits } from "../../core/quota/limits.ts";
import { changedQuotas, sourceOf, tierOf } from "./limits.ts";

const STORED: UserLimits = {
  concurrentRequests: null,
  quotas: [{ window: "daily", tier: "free", requests: 7, tokens: null }],
};

test("a changed limit leaves the other limits, and the other window, as they are", () => {
  const rows = changedQuotas(STORED, { daily: { tokens: 500 }, monthly: {} }, "standard");

  expect(rows).toEqual([{ window: "daily", tier: "free", requests: 7, tokens: 500 }]);
});

test("a changed tier reaches both windows and keeps the user's own limits", () => {
  const rows = changedQuotas(
    STORED,
    { tier: "pro", daily: {}, monthly: { requests: NO_LIMIT } },
    "standard",
  );

  expect(rows).toEqual([
    { window: "daily", tier: "pro", requests: 7, tokens: null },
    { window: "monthly", tier: "pro", requests: NO_LIMIT, tokens: null },
  ]);
});

test("a window without a row starts from the default tier", () => {
  const rows = changedQuotas(STORED, { daily: {}, monthly: { tokens: null } }, "standard");

  expect(rows).toEqual([{ window: "monthly", tier: "standard", requests: null, tokens: null }]);
});

test("nothing asked for changes nothing", () => {
  expect(changedQuotas(STORED, { daily: {}, monthly: {} }, "standard")).toEqual([]);
});

test("a limit is said to come from the user only where one is stored", () => {
  expect(sourceOf(STORED, "daily", "requests")).toBe("user");
  expect(sourceOf(STORED, "daily", "tokens")).toBe("tier");
  expect(sourceOf(STORED, "monthly", "requests")).toBe("tier");
  expect(tierOf(STORED, "monthly", "standard")).toBe("standard");
});
