import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { runCommand } from "../../local/cluster/run-command.ts";
import { commandOf } from "./documented.ts";
import type { Kubectl } from "./kubectl.ts";
import { DEV_APPLY, OWN_OVERLAY, SHIPPED_OVERLAY, type StepName, STEPS } from "./steps.ts";

/**
 * Runs commands of the documentation as a reader would, in a folder that has a copy of `k8s/`; returns what
 * they print.
 */
export type Reader = (name: StepName, fillIn?: Readonly<Record<string, string>>) => Promise<string>;

/** What the longest of them waits for: a migration that waits for a new PostgreSQL. */
const LIMIT_MS = 20 * 60_000;

const OWN = {
  // The same with what this cluster needs of it changed.
  [SHIPPED_OVERLAY]: OWN_OVERLAY,
  // Production has been applied at that point.
  [DEV_APPLY]: "true",
};

export function createReader({ program, kubeconfig }: Kubectl, folder: string): Reader {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  symlinkSync(program, join(bin, "kubectl"));
  const env = {
    ...process.env,
    KUBECONFIG: kubeconfig,
    PATH: `${bin}:${process.env["PATH"] ?? ""}`,
  };
  return (name, fillIn = {}) => {
    const command = commandOf(STEPS[name], { ...OWN, ...fillIn });
    const script = `set -euo pipefail; cd ${JSON.stringify(folder)}\n${command}`;
    return runCommand(["bash", "-c", script], { env, limitMs: LIMIT_MS });
  };
}
