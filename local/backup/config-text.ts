import { join } from "node:path";

import type { BackupSettings, Repository } from "./settings.ts";

/**
 * The file that pgBackRest reads, for commands and for the WAL archiver alike. It may hold the secret of a
 * store, so only the user that PostgreSQL runs as reads it.
 * https://pgbackrest.org/configuration.html
 */
export function configText(
  { stanza, keep, repository }: BackupSettings,
  { dataFolder, folder }: { dataFolder: string; folder: string },
): string {
  const options: Record<string, string | number> = {
    ...repositoryOptions(repository),
    "repo1-retention-full": keep,
    "lock-path": join(folder, "lock"),
    "spool-path": join(folder, "spool"),
    // Its console goes to our log.
    "log-level-file": "off",
    "compress-type": "zst",
    "process-max": 2,
    // Else it waits for the next checkpoint, for up to a quarter of an hour.
    "start-fast": "y",
    "archive-timeout": 60,
  };
  return [
    "[global]",
    ...Object.entries(options).map(([name, value]) => `${name}=${value}`),
    "",
    `[${stanza}]`,
    `pg1-path=${dataFolder}`,
    "pg1-user=tollgate",
    "",
  ].join("\n");
}

function repositoryOptions(repository: Repository): Record<string, string> {
  if (repository.kind === "directory") return { "repo1-path": repository.path };
  const { bucket, path, endpoint, region, isPathStyle, caFile, key, secret } = repository;
  return {
    "repo1-type": "s3",
    "repo1-path": path,
    "repo1-s3-bucket": bucket,
    "repo1-s3-endpoint": endpoint,
    "repo1-s3-region": region,
    "repo1-s3-uri-style": isPathStyle ? "path" : "host",
    ...(caFile === undefined ? {} : { "repo1-storage-ca-file": caFile }),
    "repo1-s3-key": key,
    "repo1-s3-key-secret": secret,
    // A request of its own for each small file would take longer than the file.
    "repo1-bundle": "y",
  };
}
