import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { type AdaptiveLimit, allowedOf, initialLimit, lowered, raised } from "./adaptive-limit.ts";

const BOUNDS = { min: 2, max: 10 };

describe("the adaptive limit", () => {
  test("starts at the configured maximum", () => {
    expect(allowedOf(initialLimit(BOUNDS), BOUNDS)).toBe(10);
  });

  test("shrinks by a factor, once for all attempts that ran under the old limit", () => {
    const once = lowered(initialLimit(BOUNDS), 50, 100, BOUNDS);
    expect(allowedOf(once, BOUNDS)).toBe(7);

    expect(lowered(once, 60, 110, BOUNDS)).toEqual(once);
    expect(allowedOf(lowered(once, 100, 120, BOUNDS), BOUNDS)).toBe(4);
  });

  test("grows by one per round of successes under full use", () => {
    let state: AdaptiveLimit = { limit: 4, loweredAtMs: 0 };
    for (let i = 0; i < 4; i += 1) state = raised(state, 4, BOUNDS);

    expect(state.limit).toBeCloseTo(5);
  });

  test("does not grow while it is not in use", () => {
    const state: AdaptiveLimit = { limit: 4, loweredAtMs: 0 };

    expect(raised(state, 3, BOUNDS)).toEqual(state);
  });

  test("follows new bounds at once", () => {
    expect(allowedOf(initialLimit(BOUNDS), { min: 1, max: 3 })).toBe(3);
    expect(allowedOf({ limit: 1, loweredAtMs: 0 }, { min: 5, max: 8 })).toBe(5);
  });

  test("stays a whole number within the bounds whatever happens", () => {
    const step = fc.record({ up: fc.boolean(), use: fc.nat(20), atMs: fc.nat(10_000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        let state = initialLimit(BOUNDS);
        for (const { up, use, atMs } of steps) {
          state = up ? raised(state, use, BOUNDS) : lowered(state, atMs, atMs, BOUNDS);
          const allowed = allowedOf(state, BOUNDS);
          expect(Number.isInteger(allowed) && allowed >= 2 && allowed <= 10).toBe(true);
        }
      }),
    );
  });
});
