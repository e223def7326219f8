import { rmSync } from "node:fs";
import { join } from "node:path";

import { connectPostgres, type Database } from "../../adapters/postgres/connect.ts";
import { readEnvFile, SECRET_VARIABLES } from "../../adapters/state/secrets.ts";
import { type StatePaths, statePaths } from "../../adapters/state/paths.ts";
import { readUpJson, type UpJson } from "../../adapters/state/up-json.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { findFreePorts } from "../../local/processes/ports.ts";
import { WITH_PARENT } from "../../local/processes/processes.ts";
import { startLocalServers, stopLocalServers } from "../../local/servers/local.ts";
import { untilTrue } from "../../local/stack/eventually.ts";
import { readStack } from "../../local/supervision/supervised-stack.ts";
import { commandsWith, type Tollgate } from "../cli/command.ts";
import { copyCheckout } from "../support/copy-checkout.ts";

/** A stack as `./tollgate up` makes it, of a copy of this checkout. */
export interface LocalUp {
  paths: StatePaths;
  tollgate: Tollgate;
  /** Starts a command that the test will end. */
  spawn: (...args: string[]) => Bun.Subprocess;
  /** Of the `up` that runs. */
  up: () => UpJson;
  pepper: () => string;
  /** Uses the database of the `up` that runs. */
  withDatabase: <Result>(act: (database: Database) => Promise<Result>) => Promise<Result>;
  /** Uses the servers of a stack that is down, with nothing else at work on them. */
  withServersOnly: <Result>(
    act: (urls: Pick<UpJson, "postgres" | "redis" | "amqp">) => Promise<Result>,
  ) => Promise<Result>;
  /** Stops all components where they are while it acts, with no transaction under way. */
  whileFrozen: <Result>(act: (database: Database) => Promise<Result>) => Promise<Result>;
  remove: () => Promise<void>;
}

const COMMAND_LIMIT_MS = 180_000;
const REST_LIMIT_MS = 5_000;
const quiet: Progress = { say: () => {}, step: (_label, act) => act() };

export async function makeLocalUp(more: Readonly<Record<string, string>> = {}): Promise<LocalUp> {
  const folder = copyCheckout();
  const [gateway, metrics, worker, collector, simulator] = await findFreePorts(5);
  const env = {
    TOLLGATE_SERVERS: "local",
    TOLLGATE_GATEWAY__PORT: String(gateway),
    TOLLGATE_GATEWAY__METRICS_PORT: String(metrics),
    TOLLGATE_WORKER__METRICS_PORT: String(worker),
    TOLLGATE_COLLECTOR__METRICS_PORT: String(collector),
    ML_SIM_PORT: String(simulator),
    ...more,
  };
  const tollgate = commandsWith(env, folder, COMMAND_LIMIT_MS);
  const paths = statePaths(join(folder, ".tollgate"));

  function up(): UpJson {
    const found = readUpJson(paths);
    if (found === undefined) throw new Error("nothing is up");
    return found;
  }

  const withDatabase: LocalUp["withDatabase"] = (act) => onDatabase(up().postgres, act);

  return {
    paths,
    tollgate,
    spawn: (...args) =>
      Bun.spawn([...WITH_PARENT, process.execPath, join(folder, "cli/main.ts"), ...args], {
        cwd: folder,
        env: { PATH: process.env["PATH"] ?? "", ...env },
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
      }),
    up,
    pepper: () => readEnvFile(paths.secretsEnv)?.[SECRET_VARIABLES.keyPepper] ?? "",
    withDatabase,
    withServersOnly: async (act) => {
      try {
        return await act(await startLocalServers(paths, quiet, process.env["PATH"] ?? ""));
      } finally {
        await stopLocalServers(paths);
      }
    },
    whileFrozen: async (act) => {
      const pids = (readStack(paths)?.components ?? [])
        .filter(({ name }) => name !== "simulator")
        .flatMap(({ identity }) => identity?.pid ?? []);
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      try {
        return await withDatabase(async (database) => {
          await untilTrue("no transaction is under way", REST_LIMIT_MS, () => isAtRest(database));
          return act(database);
        });
      } finally {
        for (const pid of pids) process.kill(pid, "SIGCONT");
      }
    },
    remove: async () => {
      await tollgate("down", "--purge", "--yes");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function onDatabase<Result>(
  url: string,
  act: (database: Database) => Promise<Result>,
): Promise<Result> {
  const database = connectPostgres({
    url,
    poolMax: 1,
    statementTimeoutMs: 30_000,
    deadlineMs: 35_000,
    name: "tollgate-drill",
  });
  try {
    return await act(database);
  } finally {
    await database.close(0);
  }
}

async function isAtRest(database: Database): Promise<boolean> {
  const [row] = await database.run(
    "count transactions",
    (sql) => sql<{ count: number }[]>`
      select count(*) from pg_stat_activity
      where backend_type = 'client backend' and xact_start is not null and pid <> pg_backend_pid()`,
  );
  return row?.count === 0;
}
