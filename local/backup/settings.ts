import { rmSync } from "node:fs";
import { join } from "node:path";

import { type Static, Type as t } from "@sinclair/typebox";

import { readJsonFile, writeJsonFile } from "../../adapters/state/json-file.ts";
import type { StatePaths } from "../../adapters/state/paths.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";

const RepositorySchema = t.Union([
  t.Object({ kind: t.Literal("directory"), path: t.String() }),
  t.Object({
    kind: t.Literal("s3"),
    bucket: t.String(),
    /** Below the bucket, beginning with a slash. */
    path: t.String(),
    /** Host, or host:port. It must speak TLS. */
    endpoint: t.String(),
    region: t.String(),
    /** The bucket is a part of the path, as most servers but Amazon's want it. */
    isPathStyle: t.Boolean(),
    /** Of the authority that signed the certificate of the endpoint; absent: those of this machine. */
    caFile: t.Optional(t.String()),
    key: t.String(),
    secret: t.String(),
  }),
]);

/** How the PostgreSQL of this machine is backed up; kept in a file that only its owner reads. */
const BackupSettingsSchema = t.Object({
  stanza: t.String(),
  /** Full backups to keep, with the WAL since the oldest of them. */
  keep: t.Integer({ minimum: 1 }),
  repository: RepositorySchema,
});
export type Repository = Static<typeof RepositorySchema>;
export type BackupSettings = Static<typeof BackupSettingsSchema>;

/** What a command is told by its options or by the environment; what is absent stays as it was. */
export interface BackupWish {
  repository?: string | undefined;
  stanza?: string | undefined;
  keep?: string | undefined;
  s3Endpoint?: string | undefined;
  s3Region?: string | undefined;
  s3Style?: "host" | "path" | undefined;
  s3CaFile?: string | undefined;
  s3Key?: string | undefined;
  s3Secret?: string | undefined;
}

/** A week between two full backups, as `backup` makes them: a fortnight to go back. */
const KEEP = 2;
const STANZA = "tollgate";
const STANZA_FORM = /^[a-zA-Z0-9_-]{1,64}$/;

/** Where backups go unless told otherwise. */
export const defaultRepository = (paths: StatePaths): string => join(paths.dir, "backups");

/** The folder of all that belongs to backups but the repository. */
export const backupFolder = (postgresFolder: string): string => join(postgresFolder, "backup");

const settingsPath = (postgresFolder: string): string =>
  join(backupFolder(postgresFolder), "settings.json");

/** undefined: backups were never set up for the PostgreSQL of this folder. */
export const readBackupSettings = (postgresFolder: string): BackupSettings | undefined =>
  readJsonFile(settingsPath(postgresFolder), BackupSettingsSchema);

export const writeBackupSettings = (postgresFolder: string, settings: BackupSettings): void =>
  writeJsonFile(settingsPath(postgresFolder), settings);

/** The WAL archiver is off from the next start of PostgreSQL on. */
export const forgetBackupSettings = (postgresFolder: string): void =>
  rmSync(settingsPath(postgresFolder), { force: true });

/**
 * What is wished over what was set.
 *
 * @throws {CommandFailure} naming what is missing or wrong
 */
export function mergeSettings(
  wish: BackupWish,
  known: BackupSettings | undefined,
  defaultDirectory: string,
): BackupSettings {
  const stanza = wish.stanza ?? known?.stanza ?? STANZA;
  if (!STANZA_FORM.test(stanza))
    throw usage(`--stanza ${stanza}: use letters, digits, - and _, at most 64`);
  const keep = wish.keep === undefined ? (known?.keep ?? KEEP) : Number(wish.keep);
  if (!Number.isInteger(keep) || keep < 1)
    throw usage(`--keep ${wish.keep}: say how many full backups to keep, 1 or more`);
  return { stanza, keep, repository: repositoryOf(wish, known?.repository, defaultDirectory) };
}

function repositoryOf(
  wish: BackupWish,
  known: Repository | undefined,
  defaultDirectory: string,
): Repository {
  const place = wish.repository;
  if (place?.startsWith("s3://") ?? known?.kind === "s3") return s3Of(wish, known);
  if (place === undefined) return known ?? { kind: "directory", path: defaultDirectory };
  if (!place.startsWith("/"))
    throw usage(`--repository ${place}: name a directory from / on, or s3://BUCKET/PATH`);
  return { kind: "directory", path: place };
}

function s3Of(wish: BackupWish, known: Repository | undefined): Repository {
  const old = known?.kind === "s3" ? known : undefined;
  const url = wish.repository === undefined ? undefined : new URL(wish.repository);
  const endpoint = wish.s3Endpoint ?? old?.endpoint;
  const region = wish.s3Region ?? old?.region;
  const key = wish.s3Key ?? old?.key;
  const secret = wish.s3Secret ?? old?.secret;
  if (!endpoint || !region || !key || !secret) {
    const missing = [
      endpoint ? "" : "--s3-endpoint",
      region ? "" : "--s3-region",
      key ? "" : "the variable TOLLGATE_BACKUP_S3_KEY",
      secret ? "" : "the variable TOLLGATE_BACKUP_S3_SECRET",
    ];
    throw usage(`a repository in S3 also needs ${missing.filter(Boolean).join(", ")}`);
  }
  const caFile = wish.s3CaFile ?? old?.caFile;
  return {
    kind: "s3",
    bucket: url?.hostname ?? old?.bucket ?? "",
    path: url === undefined ? (old?.path ?? "/") : url.pathname || "/",
    endpoint: endpoint.replace(/^https:\/\//, ""),
    region,
    isPathStyle: wish.s3Style === undefined ? (old?.isPathStyle ?? false) : wish.s3Style === "path",
    ...(caFile === undefined ? {} : { caFile }),
    key,
    secret,
  };
}

const usage = (text: string): CommandFailure => new CommandFailure(text, { exitCode: EXIT.usage });

/** As it may be shown. */
export const repositoryText = (repository: Repository): string =>
  repository.kind === "directory"
    ? repository.path
    : `s3://${repository.bucket}${repository.path} at ${repository.endpoint}`;
