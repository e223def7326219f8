import { statePaths } from "../../adapters/state/paths.ts";
import { createProgress } from "../../adapters/terminal/progress.ts";
import { type Backup, type BackupType, readContents } from "./repository.ts";
import { setUpBackups } from "./set-up.ts";
import { type BackupWish, defaultRepository, repositoryText } from "./settings.ts";

/** A restore reads all backups since the last full one, so there is a full one every week. */
const FULL_EVERY_MS = 7 * 24 * 60 * 60 * 1000;
/** A backup at the same time every week is due although the last one ended later than it began. */
const FULL_SLACK_MS = 60 * 60 * 1000;

/** The type of the next backup, where nobody says which. */
export function dueType(backups: readonly Backup[], nowMs: number): BackupType {
  const full = backups.findLast(({ type }) => type === "full");
  if (full === undefined) return "full";
  return nowMs - full.startedAtMs >= FULL_EVERY_MS - FULL_SLACK_MS ? "full" : "incr";
}

/**
 * Makes a base backup of the running PostgreSQL, and sees that its WAL arrives in the repository.
 *
 * @throws {CommandFailure} saying what to do
 */
export async function backUp(wish: BackupWish, type: BackupType | undefined): Promise<void> {
  const paths = statePaths();
  const progress = createProgress(process.stdout);
  const pgBackRest = await setUpBackups(paths, wish, progress);
  const { repository } = pgBackRest.settings;
  await progress.step("WAL arrives in the repository", async () => {
    await pgBackRest.run("check");
    return { detail: repositoryText(repository) };
  });
  const chosen = type ?? dueType((await readContents(pgBackRest)).backups, Date.now());
  await progress.step(`${chosen} backup`, async () => {
    await pgBackRest.run("backup", [`--type=${chosen}`], { verb: "% copied" });
    const made = (await readContents(pgBackRest)).backups.at(-1);
    return { detail: made?.label };
  });
  if (repository.kind === "directory" && repository.path === defaultRepository(paths))
    progress.say(
      "  It is on the disk of the database, and is lost with it: --repository names another place.",
    );
  progress.say(
    "  Keep .tollgate/secrets.env and .tollgate/servers/postgres.json apart from it: nothing of the backup " +
      "can be read or opened without them.",
  );
}
