import type { Command } from "commander";

import { waitStep } from "../../adapters/postgres/wait-step.ts";
import { readerStep } from "../../adapters/postgres/reader-step.ts";
import { migrateStep } from "../../adapters/postgres/migrate-step.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { postgresServers } from "../../adapters/process/postgres.ts";
import { readPostgres } from "../../adapters/state/read-config.ts";
import { silentLog } from "../../runtime/log.ts";
import { statePaths } from "../../adapters/state/paths.ts";
import { createProgress } from "../../adapters/terminal/progress.ts";
import { readUpJson } from "../../adapters/state/up-json.ts";
import { parseDuration } from "../operator/arguments.ts";

export function registerMigrate(program: Command): void {
  program
    .command("migrate")
    .description("bring the database's schema up to date")
    .option("--wait <duration>", "wait so long for a PostgreSQL that is still starting, such as 5m")
    .option("--reader <role>", "then let this role read what the dashboards show, and nothing else")
    .option("--json", "print {applied: [file names]}")
    .addHelpText(
      "after",
      `
Works on DATABASE_URL (past a pooler: DATABASE_DIRECT_URL), or on the database of ./tollgate up (which
migrates by itself when it starts).
Two at once wait for each other. Migrations only go forward.
With TOLLGATE_READER_PASSWORD set, --reader makes the role if it is missing, and sets that password.

Examples:
  DATABASE_URL=postgres://tollgate@db.example.org/tollgate ./tollgate migrate`,
    )
    .action(migrateCommand);
}

async function migrateCommand(options: {
  json?: boolean;
  wait?: string;
  reader?: string;
}): Promise<void> {
  const url = process.env["DATABASE_URL"] || readUpJson(statePaths())?.postgres;
  if (url === undefined) {
    throw new CommandFailure("there is no database: start ./tollgate up, or set DATABASE_URL", {
      exitCode: EXIT.notRunning,
    });
  }
  const isJson = options.json === true;
  const { postgres } = await readPostgres({ ...process.env, DATABASE_URL: url });
  const { direct } = await postgresServers({ postgres }, { log: silentLog });
  const progress = createProgress(isJson ? process.stderr : process.stdout);
  if (options.wait !== undefined)
    await waitStep(direct, parseDuration(options.wait, "--wait"), progress);
  const applied = await migrateStep(direct, progress);
  if (options.reader !== undefined)
    await readerStep(
      direct,
      { role: options.reader, password: process.env["TOLLGATE_READER_PASSWORD"] },
      progress,
    );
  if (isJson) process.stdout.write(`${JSON.stringify({ applied })}\n`);
}
