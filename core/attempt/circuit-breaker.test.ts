import { describe, expect, test } from "bun:test";

import { afterEnd, afterStart, type Breaker, CLOSED_BREAKER, mayPass } from "./circuit-breaker.ts";

const LIMITS = { failuresMax: 3, openMs: 1_000 };
const attempt = { isProbe: false } as const;
const probe = { isProbe: true } as const;

describe("the circuit breaker", () => {
  test("opens at the configured number of consecutive failures and not before", () => {
    let breaker: Breaker = CLOSED_BREAKER;
    for (let i = 0; i < 2; i += 1)
      breaker = afterEnd(breaker, { ...attempt, result: "failure" }, LIMITS, 0);
    expect(breaker).toEqual({ kind: "closed", failures: 2 });

    breaker = afterEnd(breaker, { ...attempt, result: "failure" }, LIMITS, 500);

    expect(breaker).toEqual({ kind: "open", untilMs: 1_500 });
  });

  test("forgets failures at a success, and lets an attempt without a result change nothing", () => {
    const failing: Breaker = { kind: "closed", failures: 2 };

    expect(afterEnd(failing, { ...attempt, result: "success" }, LIMITS, 0)).toEqual(CLOSED_BREAKER);
    expect(afterEnd(failing, { ...attempt, result: "none" }, LIMITS, 0)).toEqual(failing);
  });

  test("lets exactly one probe through when its time is over", () => {
    const open: Breaker = { kind: "open", untilMs: 1_000 };
    expect(mayPass(open, 999)).toBe(false);
    expect(mayPass(open, 1_000)).toBe(true);

    const probing = afterStart(open);

    expect(mayPass(probing, 5_000)).toBe(false);
  });

  test.each([
    ["success", CLOSED_BREAKER],
    ["failure", { kind: "open", untilMs: 3_000 }],
    ["none", { kind: "open", untilMs: 2_000 }],
  ] as const)("after a probe with %s", (result, expected) => {
    const probing: Breaker = { kind: "probing" };

    expect(afterEnd(probing, { ...probe, result }, LIMITS, 2_000)).toEqual(expected);
  });

  test.each(["success", "failure"] as const)(
    "ignores a %s of an attempt that started before it opened",
    (result) => {
      const open: Breaker = { kind: "open", untilMs: 1_000 };
      const probing: Breaker = { kind: "probing" };

      expect(afterEnd(open, { ...attempt, result }, LIMITS, 10)).toEqual(open);
      expect(afterEnd(probing, { ...attempt, result }, LIMITS, 10)).toEqual(probing);
    },
  );
});
