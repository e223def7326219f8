import { shortPath, type StatePaths, statePaths } from "../../adapters/state/paths.ts";
import type { ServerUrls } from "../../adapters/state/server-urls.ts";
import { requireYes } from "../../adapters/terminal/confirm.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { createProgress, type Progress } from "../../adapters/terminal/progress.ts";
import { formatInstant } from "../../adapters/terminal/table.ts";
import { takeLock } from "../processes/lock.ts";
import { findBinaries } from "../servers/binaries.ts";
import { readLocalState, startLocalServers, stopLocalServers } from "../servers/local.ts";
import { own } from "../servers/postgres.ts";
import { findUnprivileged } from "../servers/unprivileged.ts";
import { stopComponents } from "../supervision/launch.ts";
import { judgeStack, readStack } from "../supervision/supervised-stack.ts";
import type { PgBackRest } from "./pgbackrest.ts";
import { keepRestored, putAside, putBack, takeOverWal } from "./put-aside.ts";
import { recover } from "./recover.ts";
import { readContents, readTimelines } from "./repository.ts";
import {
  openRepository,
  postgresFolder,
  rememberSettings,
  requireLocalPostgres,
} from "./set-up.ts";
import { type BackupWish, repositoryText } from "./settings.ts";
import { planRestore, type RestorePlan } from "./timelines.ts";

export interface RestoreOrder {
  wish: BackupWish;
  /** Unix milliseconds; undefined: as late as the WAL reaches. */
  toMs: number | undefined;
  /** Nobody need be asked. */
  isSaid: boolean;
  /** Makes Redis and RabbitMQ fit the restored database; the servers run, and nothing else does. */
  bringTogether: (urls: ServerUrls, progress: Progress) => Promise<void>;
}

/**
 * Sets the database of a stopped stack back to a moment, and the other servers with it. If it fails before
 * PostgreSQL is restored, everything is as it was.
 *
 * @throws {CommandFailure} saying what to do
 */
export async function restore(order: RestoreOrder): Promise<void> {
  const paths = statePaths();
  requireLocalPostgres(paths);
  const lock = takeLock(paths.lock);
  if ("holder" in lock || judgeStack(readStack(paths)) === "running") {
    if ("release" in lock) lock.release();
    throw new CommandFailure(
      "the stack runs, and a restore replaces its data: ./tollgate down, then run this again",
      { exitCode: EXIT.alreadyRunning },
    );
  }
  try {
    await restoreStopped(paths, order);
  } finally {
    lock.release();
  }
}

async function restoreStopped(paths: StatePaths, order: RestoreOrder): Promise<void> {
  const progress = createProgress(process.stdout);
  const pgBackRest = await openRepository(paths, order.wish, progress);
  const nowMs = Date.now();
  const toMs = order.toMs ?? nowMs;
  if (toMs > nowMs)
    throw new CommandFailure(`${formatInstant(toMs)} UTC is still to come`, {
      exitCode: EXIT.usage,
    });
  const plan = await choosePlan(pgBackRest, toMs);
  const moment =
    order.toMs === undefined ? "the last archived change" : `${formatInstant(toMs)} UTC`;
  progress.say(`  To ${moment}, from the backup ${plan.backup.label}.`);
  requireYes(
    order.isSaid,
    `set the database back to ${moment}: requests accepted since then are forgotten, with their bills`,
  );

  await stopComponents(paths);
  await stopLocalServers(paths);
  const { undo, ...remembered } = rememberSettings(paths, pgBackRest.settings);
  const aside = await replaceData(paths, remembered.pgBackRest, plan, order.toMs, progress).catch(
    (error: unknown) => {
      undo();
      throw error;
    },
  );
  const urls = await startLocalServers(paths, progress, process.env["PATH"] ?? "");
  await order.bringTogether(urls, progress);
  keepRestored(postgresFolder(paths), { aside });
  await stopLocalServers(paths);
  if (aside !== null)
    progress.say(
      `  The data of before are in ${shortPath(aside)} until the next restore; delete them at will.`,
    );
  progress.say("  Start the stack: ./tollgate up. Then make a backup: ./tollgate backup");
}

async function choosePlan(pgBackRest: PgBackRest, toMs: number): Promise<RestorePlan> {
  const contents = await readContents(pgBackRest);
  const timelines = await readTimelines(pgBackRest, contents);
  const plan = planRestore(contents.backups, timelines, toMs);
  if (plan !== undefined) return plan;
  const where = repositoryText(pgBackRest.settings.repository);
  const [oldest] = contents.backups;
  throw new CommandFailure(
    oldest === undefined
      ? `there is no backup in ${where}: --repository says where to look`
      : `no backup in ${where} reaches ${formatInstant(toMs)} UTC: the oldest begins at ` +
          `${formatInstant(oldest.endedAtMs)} UTC, see ./tollgate backup list`,
  );
}

/** Returns where the data of before are; null: there were none. */
async function replaceData(
  paths: StatePaths,
  pgBackRest: PgBackRest,
  { backup, timeline }: RestorePlan,
  toMs: number | undefined,
  progress: Progress,
): Promise<string | null> {
  const folder = postgresFolder(paths);
  const { postgres } = findBinaries(process.env["PATH"] ?? "");
  const state = readLocalState(paths, "postgres");
  if (postgres === undefined || state === undefined)
    throw new CommandFailure(
      "PostgreSQL was never started here: put .tollgate/secrets.env and .tollgate/servers/postgres.json " +
        "of the lost machine in their places, and install the same PostgreSQL",
    );
  const underWay = putAside(folder, new Date());
  try {
    own(`${folder}/data`, findUnprivileged(folder));
    const target =
      toMs === undefined
        ? ["--type=default"]
        : ["--type=time", `--target=${targetText(toMs)}`, "--target-action=promote"];
    await progress.step("copying the backup", async () => {
      const args = [`--set=${backup.label}`, `--target-timeline=${timeline}`, ...target];
      await pgBackRest.run("restore", args, { verb: "% copied" });
      return { detail: backup.label };
    });
    takeOverWal(folder, underWay);
    await progress.step("replaying WAL", async () => {
      await recover(paths, postgres, state, {
        fromMs: backup.endedAtMs,
        toMs: toMs ?? Date.now(),
      });
      return {};
    });
    return underWay.aside;
  } catch (error) {
    putBack(folder, underWay);
    progress.say("  Nothing has changed: the data of before are in their place.");
    throw error;
  }
}

/** As PostgreSQL reads it: 2026-11-28 09:12:07.250+00. */
const targetText = (atMs: number): string =>
  `${new Date(atMs).toISOString().slice(0, 23).replace("T", " ")}+00`;
