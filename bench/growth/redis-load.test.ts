import { expect, test } from "bun:test";

import { describeCommands, isResting, parseCommands } from "./redis-load.ts";

const before = parseCommands(
  "# Commandstats\r\ncmdstat_evalsha:calls=1,usec=100,usec_per_call=100.00",
);
const after = parseCommands(
  [
    "cmdstat_scan:calls=9,usec=9000,x=1",
    "cmdstat_evalsha:calls=99,usec=50100,x=1",
    "cmdstat_hget:calls=1,usec=90000,x=1",
  ].join("\r\n"),
);

test("what Redis spent its time on is told per request, the largest first, without what scripts call", () => {
  expect(describeCommands(before, after, 1_000)).toBe("evalsha 50 µs, scan 9 µs");
});

test("Redis rests when its log is neither being written anew nor about to be", () => {
  expect(isResting("aof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0")).toBe(
    true,
  );
  expect(isResting("aof_rewrite_in_progress:1\r\naof_rewrite_scheduled:0")).toBe(false);
  expect(isResting("aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:1")).toBe(false);
});
