import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

import { type Static, Type as t } from "@sinclair/typebox";

import { readJsonFile, writeJsonFile } from "../../adapters/state/json-file.ts";
import { shortPath } from "../../adapters/state/paths.ts";
import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { backupFolder } from "./settings.ts";

/** While a restore is under way: where the data of before are. */
const UnderWaySchema = t.Object({ aside: t.Union([t.String(), t.Null()]) });
type UnderWay = Static<typeof UnderWaySchema>;

const notePath = (postgresFolder: string): string =>
  join(backupFolder(postgresFolder), "restore-under-way.json");
const dataFolder = (postgresFolder: string): string => join(postgresFolder, "data");

const ASIDE = "data.before-";

/** @throws {CommandFailure} when a restore was broken off: the servers do not fit each other */
export function requireNoRestoreUnderWay(postgresFolder: string): void {
  const underWay = readJsonFile(notePath(postgresFolder), UnderWaySchema);
  if (underWay === undefined) return;
  const where =
    underWay.aside === null ? "" : ` (the data of before are in ${shortPath(underWay.aside)})`;
  throw new CommandFailure(`a restore was broken off${where}: run ./tollgate restore again`);
}

/**
 * Makes room for restored data: what is there is renamed, not deleted. What a restore that was broken off
 * left is deleted; the data of before it stay where it put them.
 */
export function putAside(postgresFolder: string, now: Date): UnderWay {
  const data = dataFolder(postgresFolder);
  const before = readJsonFile(notePath(postgresFolder), UnderWaySchema);
  const name = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
  const aside = join(postgresFolder, `${ASIDE}${name}`);
  const underWay = before ?? { aside: existsSync(data) ? aside : null };
  // First: from here on the data folder may be half of something.
  writeJsonFile(notePath(postgresFolder), underWay);
  if (underWay.aside !== null && !existsSync(underWay.aside)) renameSync(data, underWay.aside);
  rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { mode: 0o700 });
  return underWay;
}

/** The restore failed: everything is as it was. */
export function putBack(postgresFolder: string, { aside }: UnderWay): void {
  const data = dataFolder(postgresFolder);
  rmSync(data, { recursive: true, force: true });
  if (aside !== null) renameSync(aside, data);
  rmSync(notePath(postgresFolder), { force: true });
}

/** The restore is done. Data that an earlier one has put aside are deleted; those of before this one stay. */
export function keepRestored(postgresFolder: string, { aside }: UnderWay): void {
  rmSync(notePath(postgresFolder), { force: true });
  for (const name of readdirSync(postgresFolder).filter((one) => one.startsWith(ASIDE))) {
    const path = join(postgresFolder, name);
    if (path !== aside) rmSync(path, { recursive: true, force: true });
  }
}

const SEGMENT = /^[0-9A-F]{24}$/;

/**
 * Takes over WAL that the server had not archived when it ended, such as after a crash: else the last minute
 * could not be restored. https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-PITR-RECOVERY
 */
export function takeOverWal(postgresFolder: string, { aside }: UnderWay): void {
  if (aside === null) return;
  const [from, to] = [aside, dataFolder(postgresFolder)].map((data) => join(data, "pg_wal"));
  if (from === undefined || to === undefined || !existsSync(from)) return;
  for (const name of readdirSync(from).filter((one) => SEGMENT.test(one))) {
    if (existsSync(join(from, "archive_status", `${name}.done`))) continue;
    if (!existsSync(join(to, name))) cpSync(join(from, name), join(to, name));
  }
}
