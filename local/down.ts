import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";

import { readJsonFile } from "../adapters/state/json-file.ts";
import { type StatePaths, statePaths } from "../adapters/state/paths.ts";
import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import { createProgress } from "../adapters/terminal/progress.ts";
import { isRunning, ProcessIdentitySchema } from "./processes/process-identity.ts";
import { signalProcess, waitForEnd } from "./processes/processes.ts";
import { stopServers } from "./servers/servers.ts";
import { stopComponents } from "./supervision/launch.ts";

export interface DownOptions {
  purge?: boolean;
  yes?: boolean;
}

/** `up` needs at most 10 s itself. */
const FOREGROUND_LIMIT_MS = 15_000;

/** Stops everything that `up` started, asking first when data are to be deleted. */
export async function down(options: DownOptions): Promise<void> {
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
    paths.tls,
    join(paths.dir, "test"),
  ]) {
    if (existsSync(path)) rmSync(path, { recursive: true, force: true });
  }
  process.stdout.write("✓ data deleted\n");
}
