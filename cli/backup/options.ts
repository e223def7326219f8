import { type Command, Option } from "commander";

import type { BackupWish } from "../../local/backup/settings.ts";

/** Options that say where backups are. They are remembered, so that later commands need none. */
export function addRepositoryOptions(command: Command): Command {
  const add = (flags: string, about: string, variable?: string): void => {
    const option = new Option(flags, about);
    command.addOption(variable === undefined ? option : option.env(`TOLLGATE_BACKUP_${variable}`));
  };
  add("--repository <place>", "a directory, or s3://BUCKET/PATH", "REPOSITORY");
  add("--stanza <name>", "the name of this database there", "STANZA");
  add("--s3-endpoint <host>", "of the store; it must speak TLS", "S3_ENDPOINT");
  add("--s3-region <name>", "of the bucket", "S3_REGION");
  command.addOption(
    new Option("--s3-style <style>", "where the bucket's name is in a URL")
      .choices(["host", "path"])
      .env("TOLLGATE_BACKUP_S3_STYLE"),
  );
  add("--s3-ca-file <file>", "of the authority that the store's certificate is from", "S3_CA_FILE");
  return command;
}

export const REPOSITORY_HELP = `
Each option of the repository has a variable: TOLLGATE_BACKUP_REPOSITORY and so on. The keys of S3 come from
TOLLGATE_BACKUP_S3_KEY and TOLLGATE_BACKUP_S3_SECRET only. All are remembered below .tollgate/, for its
owner's eyes. Only the PostgreSQL that up starts from programs of this machine is backed up; other servers are
backed up by whoever runs them (docs/operations.md).`;

type Environment = Record<string, string | undefined>;

/** The keys of a store are never options: anybody on the machine can read a command line. */
export const wishOf = (options: BackupWish, env: Environment): BackupWish => ({
  ...options,
  s3Key: env["TOLLGATE_BACKUP_S3_KEY"],
  s3Secret: env["TOLLGATE_BACKUP_S3_SECRET"],
});
