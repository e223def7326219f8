import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { lastLines } from "../../local/processes/log-tail.ts";
import { shortPath, statePaths } from "../../adapters/state/paths.ts";
import { openLog } from "../../local/processes/processes.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";

export const PORTKEY_VERSION = "1.15.2";
const INSTALL_LIMIT_MS = 3 * 60_000;

const folderOf = (toolsFolder: string): string => join(toolsFolder, `portkey-${PORTKEY_VERSION}`);

/** The script that starts it. */
export const portkeyProgram = (toolsFolder: string): string =>
  join(folderOf(toolsFolder), "node_modules/@portkey-ai/gateway/build/start-server.js");

/**
 * Installs Portkey's gateway from npm, without running scripts of packages.
 *
 * @throws {CommandFailure} with npm's reason
 */
export async function installPortkey(toolsFolder: string, progress: Progress): Promise<string> {
  const folder = folderOf(toolsFolder);
  mkdirSync(folder, { recursive: true });
  const logPath = join(statePaths().logs, "npm-portkey.log");
  await progress.step(`Portkey's gateway ${PORTKEY_VERSION} from npm (once)`, async () => {
    const log = openLog(logPath);
    const options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
    const name = `@portkey-ai/gateway@${PORTKEY_VERSION}`;
    const npm = Bun.spawn(["npm", "install", "--prefix", folder, ...options, name], {
      stdin: "ignore",
      stdout: log,
      stderr: log,
      timeout: INSTALL_LIMIT_MS,
    });
    if ((await npm.exited) === 0) return { detail: shortPath(folder) };
    const reason = lastLines(logPath, 1).join("").trim();
    throw new CommandFailure(
      `npm could not install ${name}: ${reason} (log: ${shortPath(logPath)})`,
    );
  });
  return portkeyProgram(toolsFolder);
}
