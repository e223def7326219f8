import { expect, test } from "bun:test";

import { describeCommands, isResting } from "./redis.ts";

test("what Redis spent its time on is told per request, the largest first, without what scripts call", () => {
  const before = "# Commandstats\r\ncmdstat_evalsha:calls=1,usec=100,usec_per_call=100.00";
  const after = [
    "cmdstat_scan:calls=9,usec=9000,x=1",
    "cmdstat_evalsha:calls=99,usec=50100,x=1",
    "cmdstat_hget:calls=1,usec=90000,x=1",
  ].join("\r\n");

  expect(describeCommands(before, after, 1_000)).toBe("evalsha 50 µs, scan 9 µs");
});

test("Redis rests when its log is neither being written anew nor about to be", () => {
  const resting = "aof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0";

  expect(isResting(resting)).toBe(true);
  expect(isResting(resting.replace("in_progress:0", "in_progress:1"))).toBe(false);
  expect(isResting(resting.replace("scheduled:0", "scheduled:1"))).toBe(false);
});
