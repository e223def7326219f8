import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";

import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { lastLines } from "../../local/processes/log-tail.ts";
import { shortPath, statePaths } from "../../adapters/state/paths.ts";
import { openLog } from "../../local/processes/processes.ts";

const BUILD_LIMIT_MS = 30 * 60_000;

/**
 * Builds a Go program whose modules are pinned by the go.sum beside it. Nothing half-built is left at `target`.
 *
 * @throws {CommandFailure} with the last line of the compiler
 */
export async function buildGo(folder: string, target: string): Promise<void> {
  mkdirSync(dirname(target), { recursive: true });
  const logPath = join(statePaths().logs, "go-build.log");
  const log = openLog(logPath);
  const build = Bun.spawn(["go", "build", "-trimpath", "-ldflags=-s -w", "-o", target, "."], {
    cwd: folder,
    env: { ...process.env, CGO_ENABLED: "0" },
    stdin: "ignore",
    stdout: log,
    stderr: log,
    timeout: BUILD_LIMIT_MS,
  });
  if ((await build.exited) === 0) return;
  throw new CommandFailure(
    `${shortPath(folder)} does not build: ${lastLines(logPath, 1).join("").trim()} (log: ${shortPath(logPath)})`,
  );
}
