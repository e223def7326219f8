import { expect, test } from "bun:test";

import { formatAge } from "./ages.ts";

test.each([
  [0, "0s"],
  [400, "0s"],
  [-5_000, "0s"],
  [59_600, "1m"],
  [61_000, "1m 1s"],
  [3_600_000, "1h"],
  [3_600_000 + 59_000, "1h"],
  [90_061_000, "1d 1h"],
])("%d ms are said as %s", (ms, said) => {
  expect(formatAge(ms)).toBe(said);
});
