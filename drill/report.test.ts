import { expect, test } from "bun:test";

import { formatReport, isKept, type PhaseOutcome } from "./report.ts";

const outcome = (isKeptToo: boolean): PhaseOutcome => ({
  phase: "wake",
  title: "the first request",
  seconds: 12.4,
  findings: [
    { what: "completes within 60 s", isKept: true, seen: "11.3 s" },
    { what: "no role is started twice", isKept: isKeptToo, seen: "0 restarts" },
  ],
});

test("one finding that does not hold fails the drill, and the report marks it", () => {
  const outcomes = [outcome(true), outcome(false)];

  expect(isKept(outcomes)).toBe(false);
  expect(formatReport(outcomes)).toContain("  ✗ no role is started twice: 0 restarts");
  expect(formatReport(outcomes)).toEndWith("FAILED: 3 of 4 hold");
});

test("a phase that was skipped says why, and fails nothing", () => {
  const skipped = { ...outcome(true), findings: [], skipped: "this Prometheus is not ours" };

  expect(isKept([skipped])).toBe(true);
  expect(formatReport([skipped])).toBe(
    "wake: the first request (skipped)\n  - this Prometheus is not ours\nPASSED: 0 of 0 hold",
  );
});
