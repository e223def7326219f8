import { type Command, Option } from "commander";

import { printJson, printLine } from "../../adapters/terminal/table.ts";
import type { BackupType } from "../../local/backup/repository.ts";
import type { BackupWish } from "../../local/backup/settings.ts";
import { formatBackups } from "../backup/list-text.ts";
import { addRepositoryOptions, REPOSITORY_HELP, wishOf } from "../backup/options.ts";
import { requireCheckout } from "../checkout.ts";

export function registerBackup(program: Command): void {
  const backup = program
    .command("backup")
    .description("back up the database of up, with its WAL, to a directory or to S3")
    // An option behind a subcommand is that of the subcommand.
    .enablePositionalOptions();
  addRepositoryOptions(backup)
    .addOption(
      new Option("--type <type>", "default: full once a week, else incremental").choices([
        "full",
        "diff",
        "incr",
      ]),
    )
    .addOption(
      new Option("--keep <n>", "full backups to keep, with their WAL; default 2").env(
        "TOLLGATE_BACKUP_KEEP",
      ),
    )
    .addHelpText(
      "after",
      `
The first backup sets up WAL archiving, for which PostgreSQL restarts once. From then on every change arrives
in the repository within a minute, so that ./tollgate restore reaches any moment since the oldest backup.
pgBackRest does the work; it comes from this machine, else from the Debian package.
${REPOSITORY_HELP}

Examples:
  ./tollgate backup --repository /mnt/other-disk/tollgate
  ./tollgate backup                                     once a day, from cron
  ./tollgate backup --repository s3://backups/tollgate --s3-endpoint s3.example.com --s3-region eu-1
  ./tollgate backup verify`,
    )
    .action(async (options: BackupWish & { type?: BackupType }) => {
      requireCheckout("backup");
      const { backUp } = await import("../../local/backup/backup.ts");
      await backUp(wishOf(options, process.env), options.type);
    });

  addRepositoryOptions(backup.command("list"))
    .description("show the backups, and how far back a restore can go")
    .option("--json", "print them as an object")
    .action(async (options: BackupWish & { json?: boolean }) => {
      requireCheckout("backup");
      const { listBackups } = await import("../../local/backup/list.ts");
      const listing = await listBackups(wishOf(options, process.env));
      if (options.json === true) printJson(listing);
      else printLine(formatBackups(listing));
    });

  addRepositoryOptions(backup.command("verify"))
    .description("read every file of the repository and compare its checksum")
    .addHelpText(
      "after",
      `
While the stack runs, it also writes WAL and waits until that has arrived.
Exit code 0: all that is there can be restored; 1: something is damaged or missing, and is named.`,
    )
    .action(async (options: BackupWish) => {
      requireCheckout("backup");
      const { verifyBackups } = await import("../../local/backup/verify.ts");
      await verifyBackups(wishOf(options, process.env));
    });
}
