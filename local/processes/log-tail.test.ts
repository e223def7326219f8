import { afterAll, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { followFile } from "./follow.ts";
import { lastLines, lastTellingLine, logEnds } from "./log-tail.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-logs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the last lines of a log come without empty ones; of no log there are none", () => {
  const path = join(folder, "tail.log");
  writeFileSync(path, "a\nb\n\nc\n");

  expect(lastLines(path, 2)).toEqual(["b", "c"]);
  expect(lastLines(path, 0)).toEqual([]);
  expect(lastLines(path, 9, { fromByte: 2, untilByte: 5 })).toEqual(["b"]);
  expect(lastLines(join(folder, "absent.log"), 2)).toEqual([]);
});

test("of a process that ended the line is told that speaks of trouble, not the farewell after it", () => {
  const path = join(folder, "ended.log");
  writeFileSync(path, "starting\nFATAL: no space left\nthe server is shut down\n");

  expect(lastTellingLine(path)).toBe("FATAL: no space left");
  expect(lastTellingLine(join(folder, "absent.log"))).toBe("it wrote nothing into its log");
});

test("what an earlier start said is not told of this one, even when the log was cut in between", () => {
  const path = join(folder, "again.log");
  writeFileSync(path, "FATAL: no space left\n");
  const ends = logEnds(folder);

  expect(lastTellingLine(path, ends)).toBe("it wrote nothing into its log");
  appendFileSync(path, "starting\nwaiting for a lock\n");
  expect(lastTellingLine(path, ends)).toBe("waiting for a lock");
  appendFileSync(path, "ERROR: first\nERROR: the port is taken\nbye\n");
  expect(lastTellingLine(path, ends)).toBe("ERROR: the port is taken");
  writeFileSync(path, "ERROR: new\n");
  expect(lastTellingLine(path, ends)).toBe("ERROR: new");
  expect(lastTellingLine(join(folder, "later.log"), ends)).toBe("it wrote nothing into its log");
  expect(logEnds(join(folder, "absent")).size).toBe(0);
});

test("following shows whole lines that are new, across a cut and a file that appears late", () => {
  const path = join(folder, "follow.log");
  const early = followFile(path);
  writeFileSync(path, "old\n");
  const follower = followFile(path);

  appendFileSync(path, "one\ntw");
  const firstRead = follower.readNew();
  appendFileSync(path, "o\n");
  const secondRead = follower.readNew();
  truncateSync(path);
  appendFileSync(path, "x\n");

  expect(firstRead).toEqual(["one"]);
  expect(secondRead).toEqual(["two"]);
  expect(follower.readNew()).toEqual(["x"]);
  expect(early.readNew()).toEqual(["x"]);
});
