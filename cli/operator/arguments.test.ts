import { expect, test } from "bun:test";

import { NO_LIMIT } from "../../core/quota/limits.ts";
import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { parseCount, parseDuration, parseLimit } from "./arguments.ts";

test("durations are whole days, hours, minutes or seconds", () => {
  const parsed = ["90d", "24h", "30m", "0s"].map((text) => parseDuration(text, "--overlap"));

  expect(parsed).toEqual([7_776_000_000, 86_400_000, 1_800_000, 0]);
  for (const text of ["", "90", "1.5h", "-1d", "1w", "9999999d"])
    expect(() => parseDuration(text, "--overlap")).toThrow(CommandFailure);
});

test("a limit is a number, none, or the tier's", () => {
  expect(["0", "200000", "none", "tier"].map((text) => parseLimit(text, "--daily-tokens"))).toEqual(
    [0, 200_000, NO_LIMIT, null],
  );
  for (const text of ["", "-1", "1e3", "many", "99999999999999999999"])
    expect(() => parseLimit(text, "--daily-tokens")).toThrow("--daily-tokens");
});

test("a count outside its bounds is refused with what is allowed", () => {
  expect(parseCount("10000", "--limit", 1, 10_000)).toBe(10_000);
  expect(() => parseCount("0", "--limit", 1, 10_000)).toThrow("from 1 to 10000");
});
