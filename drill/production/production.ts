import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { shortPath, statePaths } from "../../adapters/state/paths.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { buildCluster } from "../../local/cluster/build.ts";
import { startCluster } from "../../local/cluster/cluster.ts";
import { imageArchives } from "../../local/cluster/images/archives.ts";
import { findProgram } from "../../local/cluster/programs.ts";
import { GROUPS } from "../../local/cluster/sources.ts";
import { WITH_PARENT } from "../../local/processes/processes.ts";

/** Each server of a group demands a node of its own. */
const NODES = 3;
const LIMIT_MS = 90 * 60_000;
const MAIN = join(import.meta.dir, "main.ts");

/**
 * Runs production on a cluster of three nodes, which it builds where it is not built, starts and ends;
 * `run-production.ts` says what is tried.
 *
 * @throws {CommandFailure} when something is missing here, or is not as it should be
 */
export async function drillProduction(
  env: Record<string, string | undefined>,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  await buildCluster(env, progress, signal, GROUPS);
  const archives = await imageArchives(env, "production");
  const helm = findProgram("helm", env);
  if (helm === undefined) throw new Error("helm was built, and is not there");
  const folder = join(statePaths().dir, "drill");
  mkdirSync(folder, { recursive: true });
  const record = join(folder, "production.json");
  const cluster = await startCluster({ env, progress, signal, nodes: NODES });
  try {
    await progress.step("images of production", async () => {
      await cluster.loadImages(archives);
      return { detail: `${archives.length}` };
    });
    const drill = Bun.spawn([...cluster.enter, ...WITH_PARENT, process.execPath, MAIN, record], {
      env: {
        ...env,
        KUBECONFIG: cluster.kubeconfig,
        DRILL_KUBECTL: cluster.kubectl,
        DRILL_HELM: helm,
      },
      stdio: ["ignore", "inherit", "inherit"],
      timeout: LIMIT_MS,
      signal,
      killSignal: "SIGTERM",
    });
    const exitCode = await drill.exited;
    if (exitCode !== 0)
      throw new CommandFailure("production is not as it should be", {
        exitCode: exitCode === EXIT.interrupted ? EXIT.interrupted : EXIT.failed,
      });
    progress.say(`What was seen is in ${shortPath(record)}`);
  } finally {
    await progress.step("the cluster ends", async () => {
      await cluster.stop();
      return {};
    });
  }
}
