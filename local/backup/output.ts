/** How far a backup or a restore has come, as a line of pgBackRest's log says. */
export function percentOf(line: string): number | undefined {
  const percent = /DETAIL: (?:backup|restore|match).*\(.*?, (\d+)(?:\.\d+)?%\)/.exec(line)?.[1];
  return percent === undefined ? undefined : Number(percent);
}

/**
 * What to do about an exit code of pgBackRest, which is that of its error.
 * https://github.com/pgbackrest/pgbackrest/blob/main/src/build/error/error.yaml
 */
const ADVICE: Readonly<Record<number, string>> = {
  28: "the repository has backups of another database: name another --repository or --stanza",
  38: "stop PostgreSQL first: ./tollgate down",
  41: "let the user that PostgreSQL runs as use it",
  47: "let the user that PostgreSQL runs as use it",
  49: "does the store answer, and are its endpoint, region, bucket and keys right?",
  50: "another backup or restore runs; wait for it",
  51: "the repository has backups of another database: name another --repository or --stanza",
  55: "there is no backup there: ./tollgate backup makes one, --repository says where it looks",
  56: "does PostgreSQL run (./tollgate ps)?",
  82: "WAL does not arrive in the repository: the log of PostgreSQL has why (./tollgate logs)",
};

export const adviceOn = (exitCode: number): string =>
  ADVICE[exitCode] ?? "mend it and run this again";
