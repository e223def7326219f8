import { expect, test } from "bun:test";

import { NO_LIMIT } from "../../core/quota/limits.ts";
import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { parseCount, parseDuration, parseLifetime, parseLimit, readAmount } from "./arguments.ts";
import { formatNumber } from "../../adapters/terminal/table.ts";

test("durations are whole days, hours, minutes or seconds", () => {
  const parsed = ["90d", "24h", "30m", "0s"].map((text) => parseDuration(text, "--overlap"));

  expect(parsed).toEqual([7_776_000_000, 86_400_000, 1_800_000, 0]);
  for (const text of ["", "90", "1.5h", "-1d", "1w", "9999999d"])
    expect(() => parseDuration(text, "--overlap")).toThrow(CommandFailure);
});

test("a key is not given a life of nothing", () => {
  expect(parseLifetime("1s", "--expires")).toBe(1_000);
  for (const text of ["0s", "00d"])
    expect(() => parseLifetime(text, "--expires")).toThrow("would never work");
});

test("an amount is read as it is printed, and as people write it", () => {
  for (const amount of [0, 999, 1_000, 1_234_567, 10_000_000_000])
    expect(readAmount(formatNumber(amount))).toBe(amount);
  expect(["1_000_000", "200k", "200K", "5M"].map(readAmount)).toEqual([
    1_000_000, 200_000, 200_000, 5_000_000,
  ]);
});

test("an amount that could mean two things is not guessed", () => {
  const unclear = [
    "1,5",
    "1,00",
    "1,0000",
    "1000,000",
    ",100",
    "1_0",
    "1,000_000",
    "1m",
    "1G",
    "1.5M",
  ];
  const wrong = ["", "-1", "1e3", "k", "1 000", "1k5", "9007199254740993"];
  for (const text of [...unclear, ...wrong])
    expect([text, readAmount(text)]).toEqual([text, undefined]);
});

test("a limit is a number, none, or the tier's", () => {
  expect(["0", "200000", "none", "tier"].map((text) => parseLimit(text, "--daily-tokens"))).toEqual(
    [0, 200_000, NO_LIMIT, null],
  );
  expect(parseLimit("1,000,000", "--daily-tokens")).toBe(1_000_000);
  for (const text of ["", "-1", "1e3", "many", "99999999999999999999"])
    expect(() => parseLimit(text, "--daily-tokens")).toThrow("--daily-tokens");
});

test("a count outside its bounds is refused with what is allowed", () => {
  expect(parseCount("10000", "--limit", 1, 10_000)).toBe(10_000);
  expect(() => parseCount("0", "--limit", 1, 10_000)).toThrow("from 1 to 10,000");
});
