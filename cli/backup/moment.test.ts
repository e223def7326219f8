import { expect, test } from "bun:test";

import { parseMoment } from "./moment.ts";

test.each([
  ["2026-11-28T09:15:00Z", "2026-11-28T09:15:00.000Z"],
  ["2026-11-28 09:15", "2026-11-28T09:15:00.000Z"],
  ["2026-11-28 10:15:00.250+01:00", "2026-11-28T09:15:00.250Z"],
  ["2026-11-28T10:15:00+0100", "2026-11-28T09:15:00.000Z"],
])("%s is a moment, in UTC where no zone is named", (text, moment) => {
  expect(new Date(parseMoment(text)).toISOString()).toBe(moment);
});

test.each(["yesterday", "2026-11-28", "2026-13-28T09:15:00Z", "09:15", ""])(
  "%p is refused: a restore goes nowhere by a guess",
  (text) => {
    expect(() => parseMoment(text)).toThrow("is not a moment");
  },
);
