import { formatInstant, formatTable } from "../../adapters/terminal/table.ts";
import type { Listing } from "../../local/backup/list.ts";

const HEADING = ["BACKUP", "TYPE", "STARTED (UTC)", "REACHES FROM (UTC)", "DATABASE", "STORED", ""];

/** The backups as a table, and how far back a restore can go. */
export function formatBackups({ repository, backups, lastWal }: Listing): string {
  const [oldest] = backups;
  if (oldest === undefined)
    return `there is no backup in ${repository}: ./tollgate backup makes one`;
  const rows = backups.map((backup) => [
    backup.label,
    backup.type,
    formatInstant(backup.startedAtMs),
    formatInstant(backup.endedAtMs),
    formatBytes(backup.databaseBytes),
    formatBytes(backup.repositoryBytes),
    backup.hasPageErrors ? "damaged pages in the database" : "",
  ]);
  return [
    `repository ${repository}`,
    formatTable(HEADING, rows),
    `A restore reaches any moment from ${formatInstant(oldest.endedAtMs)} UTC on, up to the WAL that has ` +
      `arrived (${lastWal ?? "none"}).`,
  ].join("\n");
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** 12.3 MiB. */
function formatBytes(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${value.toFixed(power === 0 ? 0 : 1)} ${UNITS[power]}`;
}
