import { expect, test } from "bun:test";

import { damagesOf, findWalGaps } from "./verify-report.ts";

const LABEL = "20261128-092103F";

/** As pgBackRest 2.45 prints it, on its log and on its standard output. */
const SOUND = [
  "2026-11-28 09:21:16.985 P00   INFO: verify command begin 2.45: --stanza=tollgate --verbose",
  "stanza: tollgate",
  "status: ok",
  "  archiveId: 15-1, total WAL checked: 3, total valid WAL: 3",
  "    missing: 0, checksum invalid: 0, size invalid: 0, other: 0",
  `  backup: ${LABEL}, status: valid, total files checked: 1408, total valid files: 1408`,
];

test("a sound repository has no damage", () => {
  expect(damagesOf(SOUND, [LABEL])).toEqual([]);
});

test("a damaged file is named, and the backup that it makes useless", () => {
  const damaged = [
    `2026-11-28 09:21:17.676 P01   INFO: invalid checksum '${LABEL}/pg_data/base/5/2654.zst'`,
    "status: error",
    `  backup: ${LABEL}, status: invalid, total files checked: 1408, total valid files: 1407`,
  ];

  expect(damagesOf(damaged, [LABEL])).toEqual([
    `invalid checksum '${LABEL}/pg_data/base/5/2654.zst'`,
    `the backup ${LABEL} cannot be restored`,
  ]);
});

test("a backup that is passed over without a word is not sound", () => {
  expect(damagesOf(["verify command end: completed successfully"], [LABEL])).toEqual([
    `the backup ${LABEL} cannot be restored`,
  ]);
});

test("an error that is not named is still an error", () => {
  const unnamed = SOUND.map((line) => line.replace("status: ok", "status: error"));

  expect(damagesOf(unnamed, [LABEL])).toEqual(["pgBackRest finds an error that it does not name"]);
});

const segment = (name: string): string =>
  `${name.slice(0, 16)}/${name}-09c3f9439c3ad1520c1830ddb43074395d802dc2.zst`;

test("WAL that is missing in the middle is named, also where a log of 4 GiB ends", () => {
  const files = [
    segment("0000000100000000000000FE"),
    segment("000000010000000100000001"),
    segment("000000010000000100000002"),
  ];

  expect(findWalGaps(files)).toEqual([
    "WAL is missing from 0000000100000000000000FF to 000000010000000100000000",
  ]);
});

test("timelines that meet, and files that are no segments, are no gap", () => {
  const files = [
    segment("000000010000000000000003"),
    segment("000000020000000000000003"),
    segment("000000020000000000000004"),
    "0000000100000000/000000010000000000000001.00000028.backup",
    "00000002.history",
  ];

  expect(findWalGaps(files)).toEqual([]);
});
