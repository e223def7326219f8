import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { shortPath, statePaths } from "../adapters/state/paths.ts";
import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import type { Progress } from "../adapters/terminal/progress.ts";
import { type RunningCluster, startCluster } from "../local/cluster/cluster.ts";

/** Brings a cluster up and keeps it until it is aborted. @throws {CommandFailure} when it does not start */
export async function keepUp(
  env: Record<string, string | undefined>,
  progress: Progress,
  { nodes, signal }: { nodes: number; signal: AbortSignal },
): Promise<void> {
  const cluster = await startCluster({ env, progress, signal, nodes }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
    throw new CommandFailure("interrupted: nothing is left of the cluster", {
      exitCode: EXIT.interrupted,
    });
  });
  const wrapper = join(statePaths().dir, "kubectl");
  try {
    mkdirSync(statePaths().dir, { recursive: true });
    writeFileSync(wrapper, wrapperText(cluster), { mode: 0o700 });
    const command = shortPath(wrapper);
    progress.say(`
The cluster is up, and stays until Ctrl-C. In another terminal:
  ${command} get pods --all-namespaces
  ${command} apply -k k8s/overlays/dev
Logs of its programs: ${cluster.folder}/*/logs`);
    if (!signal.aborted)
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
  } finally {
    rmSync(wrapper, { force: true });
    await progress.step("the cluster ends", async () => {
      await cluster.stop();
      return { detail: "nothing is left of it" };
    });
  }
}

/** The kubectl of the cluster, in its network. */
const wrapperText = ({ enter, kubectl, kubeconfig }: RunningCluster): string => `#!/bin/sh
[ -e '${kubeconfig}' ] || { echo 'that cluster has ended' >&2; exit 1; }
exec ${enter.join(" ")} '${kubectl}' --kubeconfig='${kubeconfig}' "$@"
`;
