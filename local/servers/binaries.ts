import { accessSync, constants, readdirSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

/** The programs of the three servers; the values are absolute paths. */
export interface ServerBinaries {
  postgres: { postgres: string; initdb: string };
  redis: { server: string };
  rabbitmq: { server: string; epmd: string };
}

export type ServerName = keyof ServerBinaries;

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** `/usr/lib/postgresql/<major>/bin`, newest first: Debian keeps PostgreSQL off the PATH. */
function debianPostgresFolders(): string[] {
  const home = "/usr/lib/postgresql";
  try {
    return readdirSync(home)
      .sort((a, b) => Number(b) - Number(a))
      .map((major) => join(home, major, "bin"));
  } catch {
    return [];
  }
}

/**
 * The first folder that has all the programs. Links are kept: Debian's redis-server is one, and behaves by
 * the name it is called.
 */
function findTogether(
  folders: readonly string[],
  programs: readonly string[],
): string[] | undefined {
  for (const folder of folders) {
    const paths = programs.map((program) => join(folder, program));
    if (paths.every(isExecutable)) return paths;
  }
  return undefined;
}

/** The folders behind links on the PATH: initdb lies beside the real PostgreSQL. */
const realFolders = (folders: readonly string[], program: string): string[] =>
  folders
    .map((folder) => join(folder, program))
    .filter(isExecutable)
    .map((path) => dirname(realpathSync(path)));

/**
 * Looks for each server's programs on the PATH and where Debian puts them; a server that is not installed is
 * missing in what it returns.
 */
export function findBinaries(searchPath: string): Partial<ServerBinaries> {
  const onPath = [...searchPath.split(delimiter).filter(Boolean), "/usr/sbin", "/usr/local/sbin"];
  const found: Partial<ServerBinaries> = {};

  const [postgres, initdb] =
    findTogether(
      [...debianPostgresFolders(), ...realFolders(onPath, "postgres")],
      ["postgres", "initdb"],
    ) ?? [];
  if (postgres !== undefined && initdb !== undefined) found.postgres = { postgres, initdb };

  const [redis] = findTogether(onPath, ["redis-server"]) ?? [];
  if (redis !== undefined) found.redis = { server: redis };

  // Debian's /usr/sbin/rabbitmq-server changes to the user rabbitmq, who cannot read our files; the script
  // behind it does not.
  const [rabbitmq] = findTogether(["/usr/lib/rabbitmq/bin", ...onPath], ["rabbitmq-server"]) ?? [];
  const [epmd] = findTogether([...onPath, "/usr/lib/erlang/bin"], ["epmd"]) ?? [];
  if (rabbitmq !== undefined && epmd !== undefined) found.rabbitmq = { server: rabbitmq, epmd };

  return found;
}
