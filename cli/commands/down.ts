import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";

import type { Command } from "commander";

import { EXIT, CommandFailure } from "../../adapters/terminal/failure.ts";
import { readJsonFile } from "../../adapters/state/json-file.ts";
import { stopComponents } from "../../local/supervision/launch.ts";
import { type StatePaths, statePaths } from "../../adapters/state/paths.ts";
import { isRunning, ProcessIdentitySchema } from "../../local/processes/process-identity.ts";
import { signalProcess, waitForEnd } from "../../local/processes/processes.ts";
import { createProgress } from "../../adapters/terminal/progress.ts";
import { stopServers } from "../../local/servers/servers.ts";

interface DownOptions {
  purge?: boolean;
  yes?: boolean;
}

/** `up` needs at most 10 s itself. */
const FOREGROUND_LIMIT_MS = 15_000;

export function registerDown(program: Command): void {
  program
    .command("down")
    .description("stop what up started; the data are kept")
    .option("--purge", "delete the data, keys and logs below .tollgate/ as well")
    .option("-y, --yes", "do not ask before deleting")
    .addHelpText(
      "after",
      `
Servers given by DATABASE_URL, REDIS_URL and AMQP_URL are somebody else's: they are neither stopped nor emptied.

Examples:
  ./tollgate down
  ./tollgate down --purge --yes   start over with nothing`,
    )
    .action(down);
}

async function down(options: DownOptions): Promise<void> {
  const paths = statePaths();
  const purge = options.purge === true;
  if (purge && options.yes !== true) confirmPurge();
  await createProgress(process.stdout).step("stopping", async () => {
    await stopForegroundUp(paths);
    await stopComponents(paths);
    await stopServers(paths, { purge });
    rmSync(paths.upJson, { force: true });
    return { detail: purge ? undefined : "the data are kept" };
  });
  if (purge) deleteData(paths);
}

/** An `up` in some terminal ends as by Ctrl-C; then it does not start things again behind our back. */
async function stopForegroundUp(paths: StatePaths): Promise<void> {
  const owner = readJsonFile(paths.lock, ProcessIdentitySchema);
  if (owner === undefined || !isRunning(owner)) return;
  signalProcess(owner, "SIGTERM");
  await waitForEnd(owner, FOREGROUND_LIMIT_MS);
}

function confirmPurge(): void {
  if (!process.stdin.isTTY) {
    throw new CommandFailure("down --purge deletes all data: add --yes to say that you mean it", {
      exitCode: EXIT.usage,
    });
  }
  const answer = prompt("Delete all data, keys and logs below .tollgate/? [y/N]");
  if (!/^y(es)?$/i.test(answer ?? "")) throw new CommandFailure("nothing was stopped or deleted");
}

/** Everything of a run; the installed Bun stays. */
function deleteData(paths: StatePaths): void {
  for (const path of [
    paths.servers,
    paths.run,
    paths.logs,
    paths.secretsEnv,
    paths.demoUser,
    join(paths.dir, "test"),
  ]) {
    if (existsSync(path)) rmSync(path, { recursive: true, force: true });
  }
  process.stdout.write("✓ data deleted\n");
}
