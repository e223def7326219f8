import { expect, test } from "bun:test";

import { parseRetryAfter } from "./retry-after.ts";

const NOW_MS = Date.UTC(2026, 10, 21, 12, 0, 0);

test.each([
  ["2", 2_000],
  ["0", 0],
  ["1.5", 1_500],
  [" 3 ", 3_000],
  ["Sat, 21 Nov 2026 12:00:30 GMT", 30_000],
  ["Sat, 21 Nov 2026 11:00:00 GMT", 0],
  ["-5", null],
  ["99999999999", null],
  ["soon", null],
  ["", null],
  [null, null],
])("Retry-After %p asks for a wait of %p ms", (header, waitMs) => {
  expect(parseRetryAfter(header, NOW_MS)).toEqual(waitMs);
});
