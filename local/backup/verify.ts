import { statePaths } from "../../adapters/state/paths.ts";
import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { createProgress } from "../../adapters/terminal/progress.ts";
import { judgeStack, readStack } from "../supervision/supervised-stack.ts";
import type { PgBackRest } from "./pgbackrest.ts";
import { type Contents, listWal, readContents } from "./repository.ts";
import { openRepository, postgresFolder, requireLocalPostgres } from "./set-up.ts";
import { type BackupWish, readBackupSettings, repositoryText } from "./settings.ts";
import { damagesOf, findWalGaps } from "./verify-report.ts";

const SHOWN_MAX = 20;

/**
 * Reads the whole repository and compares all checksums; where PostgreSQL runs and archives there, new WAL
 * must arrive as well.
 *
 * @throws {CommandFailure} naming what is damaged or missing
 */
export async function verifyBackups(wish: BackupWish): Promise<void> {
  const paths = statePaths();
  requireLocalPostgres(paths);
  const progress = createProgress(process.stdout);
  const pgBackRest = await openRepository(paths, wish, progress);
  const isArchivers = Bun.deepEquals(
    pgBackRest.settings,
    readBackupSettings(postgresFolder(paths)),
  );
  if (isArchivers && judgeStack(readStack(paths)) === "running") {
    await progress.step("WAL arrives in the repository", async () => {
      await pgBackRest.run("check");
      return {};
    });
  }
  const contents = await readContents(pgBackRest);
  const where = repositoryText(pgBackRest.settings.repository);
  if (contents.backups.length === 0)
    throw new CommandFailure(`there is no backup in ${where}: ./tollgate backup makes one`);
  const damages = await progress.step("every file of the repository", async () => {
    const found = await findDamages(pgBackRest, contents);
    return { found, detail: found.length === 0 ? "sound" : "NOT sound" };
  });
  for (const damage of damages.found.slice(0, SHOWN_MAX)) progress.say(`✗ ${damage}`);
  if (damages.found.length === 0) return;
  throw new CommandFailure(
    `the repository ${where} is damaged (${damages.found.length} findings): make a full backup at once, ` +
      "./tollgate backup --type full, then find out what damaged it",
  );
}

async function findDamages(pgBackRest: PgBackRest, contents: Contents): Promise<string[]> {
  const lines: string[] = [];
  await pgBackRest.run("verify", ["--output=text", "--verbose"], {
    onLine: (line) => lines.push(line),
  });
  const labels = contents.backups.map(({ label }) => label);
  return [...damagesOf(lines, labels), ...findWalGaps(await listWal(pgBackRest, contents))];
}
