import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";

import { CommandFailure } from "../../adapters/terminal/failure.ts";
import type { PgBackRest } from "./pgbackrest.ts";
import { parseHistory, type Timeline } from "./timelines.ts";

export const BACKUP_TYPES = ["full", "diff", "incr"] as const;
export type BackupType = (typeof BACKUP_TYPES)[number];

export interface Backup {
  label: string;
  type: BackupType;
  startedAtMs: number;
  /** The earliest moment that a restore from it can reach. */
  endedAtMs: number;
  /** Where its WAL ends. */
  endLsn: string;
  timeline: number;
  /** Of the database. */
  databaseBytes: number;
  /** What it takes in the repository, without those that it builds on. */
  repositoryBytes: number;
  /** Pages that were damaged already when they were copied. */
  hasPageErrors: boolean;
}

/** What a repository holds of one database. */
export interface Contents {
  /** Oldest first. */
  backups: Backup[];
  /** Name of the newest segment; null: none. */
  lastWal: string | null;
  /** Below which the WAL is. */
  archiveId: string | null;
}

/** https://pgbackrest.org/command.html#command-info */
const InfoSchema = t.Array(
  t.Object({
    archive: t.Array(t.Object({ id: t.String(), max: t.Union([t.String(), t.Null()]) })),
    backup: t.Array(
      t.Object({
        label: t.String(),
        type: t.Union(BACKUP_TYPES.map((type) => t.Literal(type))),
        error: t.Optional(t.Union([t.Boolean(), t.Null()])),
        archive: t.Object({ start: t.Union([t.String(), t.Null()]) }),
        info: t.Object({
          size: t.Integer(),
          repository: t.Object({ delta: t.Integer() }),
        }),
        lsn: t.Object({ stop: t.String() }),
        timestamp: t.Object({ start: t.Integer(), stop: t.Integer() }),
      }),
    ),
  }),
);

export function parseContents(json: string): Contents {
  const info: unknown = JSON.parse(json);
  if (!Value.Check(InfoSchema, info))
    throw new CommandFailure(
      "this pgBackRest says what it has otherwise than expected " +
        `(${Value.Errors(InfoSchema, info).First()?.path})`,
    );
  const [stanza] = info;
  const archive = stanza?.archive.at(-1);
  return {
    backups: (stanza?.backup ?? []).map((backup) => ({
      label: backup.label,
      type: backup.type,
      startedAtMs: backup.timestamp.start * 1_000,
      endedAtMs: backup.timestamp.stop * 1_000,
      endLsn: backup.lsn.stop,
      timeline: timelineOf(backup.archive.start),
      databaseBytes: backup.info.size,
      repositoryBytes: backup.info.repository.delta,
      hasPageErrors: backup.error === true,
    })),
    lastWal: archive?.max ?? null,
    archiveId: archive?.id ?? null,
  };
}

/** The name of a segment begins with its timeline, eight hexadecimal digits. */
const timelineOf = (segment: string | null): number =>
  Number.parseInt(segment?.slice(0, 8) ?? "1", 16);

export async function readContents({ read }: Pick<PgBackRest, "read">): Promise<Contents> {
  return parseContents(await read("info", ["--output=json"]));
}

const FilesSchema = t.Record(t.String(), t.Object({ time: t.Optional(t.Integer()) }));
type Files = Record<string, { time?: number }>;

const archiveFolder = (stanza: string, archiveId: string): string =>
  `archive/${stanza}/${archiveId}`;

async function listFiles(
  { read }: Pick<PgBackRest, "read">,
  folder: string,
  options: readonly string[],
): Promise<Files> {
  const listed: unknown = JSON.parse(await read("repo-ls", [folder, "--output=json", ...options]));
  if (Value.Check(FilesSchema, listed)) return listed;
  throw new CommandFailure("this pgBackRest lists files otherwise than expected");
}

type Reader = Pick<PgBackRest, "read" | "settings">;

/** The files of the WAL archive. */
export async function listWal(
  pgBackRest: Reader,
  { archiveId }: Pick<Contents, "archiveId">,
): Promise<string[]> {
  if (archiveId === null) return [];
  const folder = archiveFolder(pgBackRest.settings.stanza, archiveId);
  return Object.keys(await listFiles(pgBackRest, folder, ["--recurse"]));
}

/** The timelines that restores have begun. */
export async function readTimelines(
  pgBackRest: Reader,
  { archiveId }: Pick<Contents, "archiveId">,
): Promise<Timeline[]> {
  if (archiveId === null) return [];
  const folder = archiveFolder(pgBackRest.settings.stanza, archiveId);
  const histories = await listFiles(pgBackRest, folder, ["--filter=^[0-9A-F]{8}\\.history$"]);
  const timelines: Timeline[] = [];
  for (const [name, { time = 0 }] of Object.entries(histories))
    timelines.push({
      timeline: timelineOf(name),
      beganAtMs: time * 1_000,
      parents: parseHistory(await pgBackRest.read("repo-get", [`${folder}/${name}`])),
    });
  return timelines;
}
