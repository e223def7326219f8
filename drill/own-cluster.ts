import { join } from "node:path";

import { EXIT } from "../adapters/terminal/failure.ts";
import type { Progress } from "../adapters/terminal/progress.ts";
import { buildCluster } from "../local/cluster/build.ts";
import { startCluster } from "../local/cluster/cluster.ts";
import { GROUPS } from "../local/cluster/sources.ts";
import type { DrillFlags } from "./cluster-command.ts";

const STOP_MS = 60_000;
const BUILT_FOR_A_DRILL = GROUPS.filter((group) => group !== "production");

/**
 * Starts a cluster on this machine, drills on it from inside, where its addresses are known, and ends it.
 */
export async function drillOnOwnCluster(
  flags: Omit<DrillFlags, "kubeconfig" | "own">,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { env } = process;
  await buildCluster(env, progress, signal, BUILT_FOR_A_DRILL);
  const cluster = await startCluster({ env, progress, signal });
  try {
    const main = join(import.meta.dir, "main.ts");
    const where = ["--kubeconfig", cluster.kubeconfig, "--own"];
    const drill = Bun.spawn(
      [...cluster.enter, process.execPath, main, "cluster", ...where, ...argumentsOf(flags)],
      { stdin: "ignore", stdout: "inherit", stderr: "inherit" },
    );
    const interrupt = (): void => {
      drill.kill("SIGTERM");
      setTimeout(() => drill.kill("SIGKILL"), STOP_MS).unref();
    };
    signal.addEventListener("abort", interrupt, { once: true });
    process.exitCode = await drill.exited;
    if (signal.aborted) process.exitCode = EXIT.interrupted;
  } finally {
    await cluster.stop();
  }
}

/** The same as on our own command line. */
export function argumentsOf(flags: Omit<DrillFlags, "kubeconfig" | "own">): string[] {
  const { only, minutes, seed, out, nextImage, keep, json } = flags;
  const values = ["--minutes", minutes, "--seed", seed, "--next-image", nextImage];
  return [
    ...values,
    ...(only === undefined ? [] : ["--only", only]),
    ...(out === undefined ? [] : ["--out", out]),
    ...(keep ? ["--keep"] : []),
    ...(json ? ["--json"] : []),
  ];
}
