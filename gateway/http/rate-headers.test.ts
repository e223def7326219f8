import { expect, test } from "bun:test";

import { goDuration } from "./rate-headers.ts";

test.each([
  [0, "0s"],
  [1, "1s"],
  [60, "1m0s"],
  [360, "6m0s"],
  [3_600, "1h0m0s"],
  [93_780, "26h3m0s"],
])("%d seconds are written as %s, as OpenAI does", (seconds, text) => {
  expect(goDuration(seconds)).toBe(text);
});
