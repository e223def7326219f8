import { expect, test } from "bun:test";

import { dueType } from "./backup.ts";
import { adviceOn, percentOf } from "./output.ts";
import { type Backup, type BackupType, parseContents } from "./repository.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const backup = (type: BackupType, startedAtMs: number): Backup => ({
  label: type,
  type,
  startedAtMs,
  endedAtMs: startedAtMs + HOUR,
  endLsn: "0/0",
  timeline: 1,
  databaseBytes: 1,
  repositoryBytes: 1,
  hasPageErrors: false,
});

test("the first backup is full, then one a week is, at the same time of day", () => {
  const daily = [backup("full", 0), ...[1, 2, 3].map((day) => backup("incr", day * DAY))];

  expect(dueType([], 0)).toBe("full");
  expect(dueType(daily, 4 * DAY)).toBe("incr");
  expect(dueType(daily, 7 * DAY - 60_000)).toBe("full");
});

test("how far a backup or a restore has come is read from its log", () => {
  const line =
    "2026-11-28 09:21:04.100 P01 DETAIL: backup file /data/base/5/2654 (16KB, 45.23%) checksum a1";

  expect(percentOf(line)).toBe(45);
  expect(percentOf(line.replace("backup file", "restore file"))).toBe(45);
  expect(percentOf("2026-11-28 09:21:05.852 P00   INFO: backup command end (99%)")).toBeUndefined();
});

test("an error of pgBackRest comes with what to do", () => {
  expect(adviceOn(82)).toContain("WAL does not arrive");
  expect(adviceOn(250)).toBe("mend it and run this again");
});

test("what pgBackRest says of its backups is read, with their timeline", () => {
  const json = JSON.stringify([
    {
      archive: [{ id: "15-1", max: "000000030000000000000013", min: "000000030000000000000011" }],
      backup: [
        {
          archive: { start: "000000030000000000000011", stop: "000000030000000000000011" },
          error: false,
          info: { delta: 32, repository: { delta: 4, size: 5 }, size: 33 },
          label: "20261128-093421F",
          lsn: { start: "0/11000028", stop: "0/11000410" },
          timestamp: { start: 1_795_858_461, stop: 1_795_858_462 },
          type: "full",
        },
      ],
      name: "tollgate",
    },
  ]);

  expect(parseContents(json)).toEqual({
    backups: [
      {
        ...backup("full", 1_795_858_461_000),
        label: "20261128-093421F",
        endedAtMs: 1_795_858_462_000,
        endLsn: "0/11000410",
        timeline: 3,
        databaseBytes: 33,
        repositoryBytes: 4,
      },
    ],
    lastWal: "000000030000000000000013",
    archiveId: "15-1",
  });
  expect(parseContents("[]").backups).toEqual([]);
  expect(() => parseContents("{}")).toThrow("otherwise than expected");
});
