import { CommandFailure } from "../../adapters/terminal/failure.ts";

/** How to run a program that refuses to be root, and who must own its files. */
export interface Unprivileged {
  /** Put before the command; empty when we are not root anyway. */
  prefix: readonly string[];
  /** `user:group` for chown; undefined when the files are right as they are. */
  owner: string | undefined;
}

function succeeds(command: readonly string[]): boolean {
  try {
    return Bun.spawnSync([...command], { stdout: "ignore", stderr: "ignore" }).success;
  } catch {
    return false;
  }
}

/** A user that exists, since initdb looks its name up. */
function unprivilegedUid(): string {
  const found = Bun.spawnSync(["id", "-u", "postgres"]).stdout.toString().trim();
  return found === "" ? "65534" : found;
}

function waysToDropRoot(): Unprivileged[] {
  const uid = unprivilegedUid();
  const asPostgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"];
  return [
    { prefix: [...asPostgres, "--"], owner: "postgres:postgres" },
    // Below a folder such as /root, which only root may enter: another name for root, in a namespace of its
    // own.
    {
      prefix: ["unshare", "--user", `--map-user=${uid}`, `--map-group=${uid}`, "--"],
      owner: "root:root",
    },
    // Containers often forbid namespaces; there the user postgres gets just the right to pass through
    // folders.
    {
      prefix: [...asPostgres, "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"],
      owner: "postgres:postgres",
    },
  ];
}

/**
 * Finds a way to run a program as somebody else than root who can enter the folder.
 *
 * @throws {CommandFailure} when there is none
 */
export function findUnprivileged(folder: string): Unprivileged {
  if (process.getuid?.() !== 0) return { prefix: [], owner: undefined };
  const way = waysToDropRoot().find(({ prefix }) =>
    succeeds([...prefix, "sh", "-c", 'cd "$1"', "sh", folder]),
  );
  if (way !== undefined) return way;
  throw new CommandFailure(
    `PostgreSQL refuses to run as root, and no other user can enter ${folder}: run this as an ` +
      "ordinary user, or move the checkout to a folder that the user postgres can enter",
  );
}
