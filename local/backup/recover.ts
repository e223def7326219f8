import { closeSync } from "node:fs";
import { join } from "node:path";

import { connectPostgres } from "../../adapters/postgres/connect.ts";
import { shortPath, type StatePaths } from "../../adapters/state/paths.ts";
import { createCountProgress } from "../../adapters/terminal/count-progress.ts";
import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { lastLines, lastTellingLine, type LogEnds, logEnds } from "../processes/log-tail.ts";
import { findFreePorts } from "../processes/ports.ts";
import { openLog, WITH_PARENT } from "../processes/processes.ts";
import type { ServerBinaries } from "../servers/binaries.ts";
import type { LocalState } from "../servers/local-server.ts";
import { LOCAL_POSTGRES } from "../servers/postgres.ts";
import { findUnprivileged } from "../servers/unprivileged.ts";
import { postgresFolder } from "./set-up.ts";

const LOOK_PERIOD_MS = 200;
const ANSWER_LIMIT_MS = 2_000;
/** Of the log, to find out why it ended. */
const LOG_LINES = 50;

/**
 * Runs PostgreSQL on restored files until it has replayed its WAL up to the moment and is a database of its
 * own again; then stops it. It listens where nobody looks for it. It takes as long as the WAL is long.
 *
 * @throws {CommandFailure} with what PostgreSQL says when it gives up
 */
export async function recover(
  paths: StatePaths,
  binaries: ServerBinaries["postgres"],
  { password }: Pick<LocalState, "password">,
  { fromMs, toMs }: { fromMs: number; toMs: number },
): Promise<void> {
  const [port = 0] = await findFreePorts(1);
  const settings = { folder: postgresFolder(paths), ports: { postgres: port }, password };
  const [launch] = await LOCAL_POSTGRES.prepare(settings, binaries);
  if (launch === undefined) throw new Error("PostgreSQL has no process to start");
  const logPath = join(paths.logs, "restore.log");
  const log = openLog(logPath);
  const since = logEnds(paths.logs);
  const { prefix } = findUnprivileged(settings.folder);
  // Behind the change of the user, which would undo it.
  const command = [...prefix, ...WITH_PARENT, ...launch.command.slice(prefix.length)];
  const server = Bun.spawn(command, {
    cwd: settings.folder,
    env: launch.env,
    stdin: "ignore",
    stdout: log,
    stderr: log,
  });
  closeSync(log);
  const database = connectPostgres({
    url: LOCAL_POSTGRES.url(settings),
    poolMax: 1,
    statementTimeoutMs: ANSWER_LIMIT_MS,
    deadlineMs: 2 * ANSWER_LIMIT_MS,
    name: "tollgate-restore",
  });
  const progress = createCountProgress(
    process.stdout,
    Math.round((toMs - fromMs) / 1_000),
    "seconds of changes replayed",
  );
  try {
    for (;;) {
      const state = await database
        .run(
          "look at the recovery",
          (sql) => sql<{ replays: boolean; at: number | null }[]>`
            select pg_is_in_recovery() as replays, pg_last_xact_replay_timestamp() as at`,
        )
        .catch(() => []);
      if (state[0]?.replays === false) break;
      if (server.exitCode !== null || server.signalCode !== null)
        throw failure(whyEnded(logPath, since), logPath);
      progress.at(Math.round(Math.max(0, (state[0]?.at ?? fromMs) - fromMs) / 1_000));
      await Bun.sleep(LOOK_PERIOD_MS);
    }
  } finally {
    progress.end();
    await database.close(0);
    server.kill(LOCAL_POSTGRES.stopSignal);
    await server.exited;
  }
}

/** What ended it; the lines behind that only say that it ends. */
function whyEnded(logPath: string, since: LogEnds): string {
  const lines = lastLines(logPath, LOG_LINES, { fromByte: since.get(logPath) ?? 0 });
  const fatal = lines.findLast((line) => /(FATAL|PANIC): /.test(line));
  return fatal?.replace(/^.*(FATAL|PANIC): +/, "") ?? lastTellingLine(logPath, since);
}

function failure(said: string, logPath: string): CommandFailure {
  const advice = /recovery ended before/.test(said)
    ? "nothing was archived that is later than that moment: name an earlier one, or --to latest"
    : "mend it and run this again, or name another moment";
  return new CommandFailure(
    `PostgreSQL could not replay its WAL: ${said}: ${advice} (log: ${shortPath(logPath)})`,
  );
}
