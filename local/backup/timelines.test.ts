import { expect, test } from "bun:test";

import type { Backup } from "./repository.ts";
import { parseHistory, planRestore, type Timeline } from "./timelines.ts";

const MINUTE = 60_000;

/** A backup that took a minute; its WAL ends at `minute` in hexadecimal digits. */
const backupAt = (minute: number, timeline = 1): Backup => ({
  label: `at ${minute}`,
  type: "full",
  startedAtMs: (minute - 1) * MINUTE,
  endedAtMs: minute * MINUTE,
  endLsn: `0/${minute}000000`,
  timeline,
  databaseBytes: 1,
  repositoryBytes: 1,
  hasPageErrors: false,
});

/** At minute 50 the database was set back to minute 25. */
const SECOND: Timeline = {
  timeline: 2,
  beganAtMs: 50 * MINUTE,
  parents: [{ timeline: 1, leftAtLsn: "0/25000000" }],
};

const planned = (backups: Backup[], timelines: Timeline[], minute: number) => {
  const plan = planRestore(backups, timelines, minute * MINUTE);
  return plan && [plan.backup.label, plan.timeline];
};

test("a moment is restored from the newest backup that ended before it", () => {
  const backups = [backupAt(10), backupAt(20), backupAt(30)];

  expect(planned(backups, [], 25)).toEqual(["at 20", "current"]);
  expect(planned(backups, [], 99)).toEqual(["at 30", "current"]);
});

test("no moment before the end of the oldest backup is restored", () => {
  expect(planned([backupAt(10)], [], 10)).toBeUndefined();
  expect(planned([], [], 10)).toBeUndefined();
});

test("after a restore, a backup of what it has undone leads to nothing that came later", () => {
  const backups = [backupAt(20), backupAt(30), backupAt(60, 2)];

  expect(planned(backups, [SECOND], 55)).toEqual(["at 20", 2]);
  expect(planned(backups, [SECOND], 70)).toEqual(["at 60", "current"]);
});

test("what a restore has undone can be restored, from a backup of then", () => {
  expect(planned([backupAt(20), backupAt(30)], [SECOND], 40)).toEqual(["at 30", "current"]);
});

test("a repository that was begun after a restore needs no history of it", () => {
  expect(planned([backupAt(60, 3)], [], 70)).toEqual(["at 60", "current"]);
});

test("positions in the WAL are compared as numbers", () => {
  const timelines = [{ ...SECOND, parents: [{ timeline: 1, leftAtLsn: "A/0" }] }];

  expect(planned([{ ...backupAt(20), endLsn: "9/FF000000" }], timelines, 60)).toEqual(["at 20", 2]);
  expect(planned([{ ...backupAt(20), endLsn: "10/0" }], timelines, 60)).toBeUndefined();
});

test("a history is read with what PostgreSQL writes into it", () => {
  const text = [
    "1\t0/D000110\tbefore 2026-11-28 09:26:22.1+00",
    "",
    "# a comment",
    "2\t1/A0\tno recovery target specified",
  ].join("\n");

  expect(parseHistory(text)).toEqual([
    { timeline: 1, leftAtLsn: "0/D000110" },
    { timeline: 2, leftAtLsn: "1/A0" },
  ]);
});
