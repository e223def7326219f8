import { statePaths } from "../../adapters/state/paths.ts";
import { createProgress } from "../../adapters/terminal/progress.ts";
import { type Contents, readContents } from "./repository.ts";
import { openRepository, requireLocalPostgres } from "./set-up.ts";
import { type BackupWish, repositoryText } from "./settings.ts";

export interface Listing extends Contents {
  repository: string;
}

/** What the repository holds. @throws {CommandFailure} saying what to do */
export async function listBackups(wish: BackupWish): Promise<Listing> {
  const paths = statePaths();
  requireLocalPostgres(paths);
  const pgBackRest = await openRepository(paths, wish, createProgress(process.stderr));
  return {
    repository: repositoryText(pgBackRest.settings.repository),
    ...(await readContents(pgBackRest)),
  };
}
