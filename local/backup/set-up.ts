import { join } from "node:path";

import { connectPostgres } from "../../adapters/postgres/connect.ts";
import type { StatePaths } from "../../adapters/state/paths.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { isRunning } from "../processes/process-identity.ts";
import { signalProcess, waitForEnd } from "../processes/processes.ts";
import { readLocalState } from "../servers/local.ts";
import type { LocalState } from "../servers/local-server.ts";
import { LOCAL_POSTGRES } from "../servers/postgres.ts";
import { readSource } from "../servers/state.ts";
import { judgeStack, readStack } from "../supervision/supervised-stack.ts";
import { type PgBackRest, preparePgBackRest, requirePgBackRest } from "./pgbackrest.ts";
import {
  type BackupSettings,
  type BackupWish,
  defaultRepository,
  forgetBackupSettings,
  mergeSettings,
  readBackupSettings,
  writeBackupSettings,
} from "./settings.ts";

const END_LIMIT_MS = 60_000;
const BACK_LIMIT_MS = 120_000;
const PING_LIMIT_MS = 2_000;
const LOOK_PERIOD_MS = 200;

export const postgresFolder = (paths: StatePaths): string => join(paths.servers, "postgres");

/**
 * Backups are of the PostgreSQL that `up` starts from the programs of this machine.
 *
 * @throws {CommandFailure} when it is somebody else's, or there is none
 */
export function requireLocalPostgres(paths: StatePaths): void {
  const source = readSource(paths);
  if (source === "local") return;
  if (source === undefined)
    throw new CommandFailure("there is no PostgreSQL of this machine yet: start ./tollgate up", {
      exitCode: EXIT.notRunning,
    });
  const whose = source === "docker" ? "in Docker" : "of DATABASE_URL";
  throw new CommandFailure(
    `the PostgreSQL ${whose} is not backed up by this command: use the tools of whoever runs it, and ` +
      "see docs/operations.md for what they must do; TOLLGATE_SERVERS=local ./tollgate up starts one of " +
      "this machine",
    { exitCode: EXIT.usage },
  );
}

/**
 * pgBackRest with the repository that is wished for, or that was set up, to look at it.
 *
 * @throws {CommandFailure} when pgBackRest cannot be had, or the wish makes no sense
 */
export async function openRepository(
  paths: StatePaths,
  wish: BackupWish,
  progress: Progress,
): Promise<PgBackRest> {
  await requirePgBackRest(progress);
  const known = readBackupSettings(postgresFolder(paths));
  const settings = mergeSettings(wish, known, defaultRepository(paths));
  return preparePgBackRest(paths, settings, "look.conf");
}

/** From now on these are the settings; `undo` brings back those of before. */
export function rememberSettings(
  paths: StatePaths,
  settings: BackupSettings,
): { pgBackRest: PgBackRest; undo: () => void } {
  const folder = postgresFolder(paths);
  const before = readBackupSettings(folder);
  const remember = (some: BackupSettings): PgBackRest => {
    writeBackupSettings(folder, some);
    return preparePgBackRest(paths, some, "pgbackrest.conf");
  };
  return {
    pgBackRest: remember(settings),
    undo: () => {
      // An archiver without a repository would keep all WAL.
      if (before === undefined) forgetBackupSettings(folder);
      else remember(before);
    },
  };
}

/**
 * Sees to it that the running PostgreSQL archives its WAL to the repository: makes the stanza, and restarts
 * PostgreSQL once if it does not archive yet.
 *
 * @throws {CommandFailure} when it does not run, or the repository cannot be used
 */
export async function setUpBackups(
  paths: StatePaths,
  wish: BackupWish,
  progress: Progress,
): Promise<PgBackRest> {
  requireLocalPostgres(paths);
  if (judgeStack(readStack(paths)) !== "running")
    throw new CommandFailure("a backup is made while the stack runs: start ./tollgate up", {
      exitCode: EXIT.notRunning,
    });
  const { settings } = await openRepository(paths, wish, progress);
  const { pgBackRest, undo } = rememberSettings(paths, settings);
  try {
    await pgBackRest.run("stanza-create");
  } catch (error) {
    undo();
    throw error;
  }
  if (!(await archives(paths))) {
    progress.say(
      "  PostgreSQL restarts once, so that it archives its WAL; until it is back, new requests get 503.",
    );
    await progress.step("restart of PostgreSQL", async () => {
      await restartPostgres(paths);
      return {};
    });
  }
  return pgBackRest;
}

const requireState = (paths: StatePaths): LocalState => {
  const state = readLocalState(paths, LOCAL_POSTGRES.name);
  if (state === undefined) throw new CommandFailure("PostgreSQL was never started");
  return state;
};

async function archives(paths: StatePaths): Promise<boolean> {
  const database = connectPostgres({
    url: LOCAL_POSTGRES.url(requireState(paths)),
    poolMax: 1,
    statementTimeoutMs: PING_LIMIT_MS,
    deadlineMs: 2 * PING_LIMIT_MS,
    name: "tollgate-backup",
  });
  try {
    const [row] = await database.run(
      "read the archive mode",
      (sql) => sql<{ archive_mode: string }[]>`show archive_mode`,
    );
    return row?.archive_mode === "on";
  } finally {
    await database.close(0);
  }
}

/** Ends it; who watches over the servers of the stack starts it again, with its configuration of now. */
async function restartPostgres(paths: StatePaths): Promise<void> {
  const ended = requireState(paths).processes;
  for (const { identity } of ended) {
    signalProcess(identity, LOCAL_POSTGRES.stopSignal);
    if (!(await waitForEnd(identity, END_LIMIT_MS)))
      throw new CommandFailure(
        `PostgreSQL did not end within ${END_LIMIT_MS / 1000} s: run this again`,
      );
  }
  const deadlineMs = Date.now() + BACK_LIMIT_MS;
  while (Date.now() < deadlineMs) {
    await Bun.sleep(LOOK_PERIOD_MS);
    const runs = requireState(paths).processes.every(({ identity }) => isRunning(identity));
    if (runs && (await archives(paths).catch(() => false))) return;
  }
  throw new CommandFailure(
    `PostgreSQL was not back within ${BACK_LIMIT_MS / 1000} s: ./tollgate ps and ./tollgate logs have why`,
  );
}
