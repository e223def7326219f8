import { existsSync } from "node:fs";
import { join } from "node:path";

import { backupFolder, readBackupSettings } from "./settings.ts";

/** What PostgreSQL is given so that it archives its WAL. */
export interface Archiving {
  /** Lines of `postgresql.conf`. */
  config: string;
  /** Where its `archive_command` finds what it needs, whatever characters are in the path. */
  env: Record<string, string>;
}

/**
 * A segment that is not full is archived after a minute in which something was written: that much may be
 * lost with the disk. Without `archive_command` in the file a restore would not archive what comes after it.
 */
const CONFIG = `
# Backups are set up (./tollgate backup).
archive_mode = on
archive_command = 'pgbackrest archive-push "%p"'
archive_timeout = 60
`;

/** undefined: backups were never set up for the PostgreSQL of this folder. */
export function findArchiving(postgresFolder: string): Archiving | undefined {
  const folder = backupFolder(postgresFolder);
  const config = join(folder, "pgbackrest.conf");
  const settings = readBackupSettings(postgresFolder);
  if (settings === undefined || !existsSync(config)) return undefined;
  return {
    config: CONFIG,
    env: { PGBACKREST_CONFIG: config, PGBACKREST_STANZA: settings.stanza },
  };
}
