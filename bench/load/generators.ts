import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { CommandFailure } from "../../cli/failure.ts";
import { lastLines } from "../../cli/log-tail.ts";
import { PROJECT_ROOT, shortPath, statePaths } from "../../cli/paths.ts";
import { openLog } from "../../cli/processes.ts";
import type { Progress } from "../../cli/progress.ts";

/** The load generators of this machine. */
export interface Generators {
  /** How to start k6. */
  k6: readonly string[];
  k6Version: string;
  /** null: not installed; scenarios then leave out what only wrk measures. */
  wrk: string | null;
}

const K6_IMAGE = "grafana/k6:2.2.0";
const BUILD_LIMIT_MS = 30 * 60_000;

/** Finds k6 on the PATH or brings it; finds wrk. Says what it does. */
export async function findGenerators(progress: Progress): Promise<Generators> {
  const k6 = await findK6(progress);
  const shown = Bun.spawnSync([...k6, "version"]).stdout.toString();
  return {
    k6,
    k6Version: /v\d+\.\d+\.\d+/.exec(shown)?.[0] ?? "of unknown version",
    wrk: Bun.which("wrk"),
  };
}

async function findK6(progress: Progress): Promise<readonly string[]> {
  const onPath = Bun.which("k6");
  if (onPath !== null) return [onPath];
  const built = join(statePaths().dir, "bin", "k6");
  if (await Bun.file(built).exists()) return [built];
  if (Bun.which("go") !== null) {
    await progress.step("k6, built from source (once, some minutes)", async () => {
      await buildGo(join(PROJECT_ROOT, "bench/k6/build"), built);
      return { detail: shortPath(built) };
    });
    return [built];
  }
  const docker = Bun.which("docker");
  if (docker !== null && Bun.spawnSync([docker, "info"]).success) {
    // The job's files lie below the temporary folder and the checkout.
    const mounts = ["/tmp", PROJECT_ROOT].flatMap((path) => ["-v", `${path}:${path}`]);
    return [docker, "run", "--rm", "--network=host", "-e", "BENCH_JOB", ...mounts, K6_IMAGE];
  }
  throw new CommandFailure(
    "k6 is needed to measure: install it (https://grafana.com/docs/k6/latest/set-up/install-k6/), or install Go 1.25 or later, or start Docker, then run this again",
  );
}

/**
 * Builds a Go program whose modules are pinned by the go.sum beside it.
 *
 * @throws {CommandFailure} with the last line of the compiler
 */
export async function buildGo(folder: string, target: string): Promise<void> {
  mkdirSync(join(target, ".."), { recursive: true });
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
