import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

import { shortPath, type StatePaths } from "../../adapters/state/paths.ts";
import { createCountProgress } from "../../adapters/terminal/count-progress.ts";
import { CommandFailure } from "../../adapters/terminal/failure.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { WITH_PARENT } from "../processes/processes.ts";
import { installPackages } from "../servers/install.ts";
import { readLocalState } from "../servers/local.ts";
import { own } from "../servers/postgres.ts";
import { findUnprivileged, type Unprivileged } from "../servers/unprivileged.ts";
import { configText } from "./config-text.ts";
import { adviceOn, percentOf } from "./output.ts";
import { backupFolder, type BackupSettings, repositoryText } from "./settings.ts";

/** How a command is watched while it runs. */
export interface Watch {
  /** What becomes more, such as `% copied`. */
  verb?: string;
  /** Of its log, and of its standard output. */
  onLine?: (line: string) => void;
}

export interface PgBackRest {
  settings: BackupSettings;
  /**
   * Runs a command of it as the user of PostgreSQL, and shows how far it has come.
   *
   * @throws {CommandFailure} with its reason and what to do
   */
  run: (command: string, args?: readonly string[], watch?: Watch) => Promise<void>;
  /** What a command prints on standard output. @throws {CommandFailure} as `run` */
  read: (command: string, args?: readonly string[]) => Promise<string>;
}

/** A base backup of a large database may take hours; a hung one must not hold its lock for ever. */
const LIMIT_MS = 24 * 60 * 60 * 1000;

/** @throws {CommandFailure} when it is not there and cannot be installed */
export async function requirePgBackRest(progress: Progress): Promise<void> {
  if (Bun.which("pgbackrest") !== null) return;
  const wanted = {
    missing: ["pgBackRest"],
    packages: ["pgbackrest"],
    withoutApt: "install pgBackRest (https://pgbackrest.org)",
    orElse: "and run this again",
  };
  await installPackages(wanted, progress);
}

/** A folder that has something in it is somebody's: it keeps its owner. */
function makeOwn(folder: string, runAs: Unprivileged): void {
  if (existsSync(folder) && readdirSync(folder).length > 0) return;
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  own(folder, runAs);
}

/** The file of the WAL archiver, or one that a command uses beside it to look somewhere else. */
export type ConfigName = "pgbackrest.conf" | "look.conf";

/** Writes what pgBackRest reads, and returns how to call it. */
export function preparePgBackRest(
  paths: StatePaths,
  settings: BackupSettings,
  name: ConfigName,
): PgBackRest {
  const postgresFolder = join(paths.servers, "postgres");
  const folder = backupFolder(postgresFolder);
  // The user that PostgreSQL runs as must get through.
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const runAs = findUnprivileged(postgresFolder);
  const places = [join(folder, "lock"), join(folder, "spool")];
  if (settings.repository.kind === "directory") places.push(settings.repository.path);
  for (const place of places) makeOwn(place, runAs);
  const config = join(folder, name);
  const text = configText(settings, { dataFolder: join(postgresFolder, "data"), folder });
  // At once: the WAL archiver reads it at any time.
  const unfinished = `${config}.new`;
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, text, { mode: 0o600 });
  own(unfinished, runAs);
  renameSync(unfinished, config);

  const log = join(paths.logs, "backup.log");
  mkdirSync(paths.logs, { recursive: true });

  const start = (command: string, args: readonly string[], levels: readonly string[]) => {
    const state = readLocalState(paths, "postgres");
    return Bun.spawn(
      [
        ...runAs.prefix,
        ...WITH_PARENT,
        "pgbackrest",
        `--stanza=${settings.stanza}`,
        ...levels,
        command,
        ...args,
      ],
      {
        cwd: folder,
        env: {
          PATH: process.env["PATH"],
          TZ: "UTC",
          PGBACKREST_CONFIG: config,
          // It connects by libpq, and asks for a socket unless that is told otherwise.
          PGHOST: "127.0.0.1",
          PGPASSWORD: state?.password,
          ...(state?.tls && {
            PGSSLMODE: "verify-full",
            PGSSLROOTCERT: join(postgresFolder, "ca.pem"),
            PGSSLCERT: join(postgresFolder, "client.pem"),
            PGSSLKEY: join(postgresFolder, "client.key"),
          }),
          PGBACKREST_PG1_PORT: String(state?.ports["postgres"] ?? 5432),
        },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
        timeout: LIMIT_MS,
      },
    );
  };

  const failure = (command: string, exitCode: number, lines: readonly string[]): CommandFailure => {
    const said =
      lines.findLast((line) => line.includes("ERROR:")) ?? lines.at(-1) ?? "it said nothing";
    const reason = said.replace(/^.*ERROR: (\[\d+\]: )?/, "");
    const where = repositoryText(settings.repository);
    return new CommandFailure(
      `pgbackrest ${command} failed (repository ${where}): ${reason}: ${adviceOn(exitCode)} ` +
        `(log: ${shortPath(log)})`,
    );
  };

  return {
    settings,
    run: async (command, args = [], { verb, onLine } = {}) => {
      const child = start(command, args, ["--log-level-console=detail", "--log-level-stderr=off"]);
      const said = new Response(child.stderr).text();
      const progress = createCountProgress(process.stdout, 100, verb ?? "");
      const errors: string[] = [];
      try {
        for await (const line of createInterface({ input: Readable.fromWeb(child.stdout) })) {
          appendFileSync(log, `${line}\n`, { mode: 0o600 });
          if (line.includes("ERROR:")) errors.push(line);
          onLine?.(line);
          const percent = verb === undefined ? undefined : percentOf(line);
          if (percent !== undefined) progress.at(percent);
        }
      } finally {
        progress.end();
      }
      const exitCode = await child.exited;
      if (exitCode !== 0)
        throw failure(command, exitCode, [...(await said).split("\n"), ...errors]);
    },
    read: async (command, args = []) => {
      const child = start(command, args, ["--log-level-console=off", "--log-level-stderr=warn"]);
      const [out, said, exitCode] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      if (said !== "") appendFileSync(log, said, { mode: 0o600 });
      if (exitCode !== 0) throw failure(command, exitCode, said.trim().split("\n"));
      return out;
    },
  };
}
