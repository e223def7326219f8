import { cpus, loadavg, release, totalmem } from "node:os";

/** What the figures were measured on. */
export type Machine = ReturnType<typeof describeMachine>;

export function describeMachine(root: string) {
  return {
    cores: navigator.hardwareConcurrency,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    memoryBytes: totalmem(),
    kernel: release(),
    distribution: outputOf("sh", "-c", '. /etc/os-release && echo "$PRETTY_NAME"'),
    bun: Bun.version,
    commit: outputOf("git", "-C", root, "describe", "--always", "--dirty"),
    /** Runnable processes, mean of the last minute, before the run began: something else may be at work. */
    loadBefore: loadavg()[0] ?? 0,
  };
}

function outputOf(...command: string[]): string {
  const run = Bun.spawnSync(command, { stderr: "ignore" });
  return run.success ? run.stdout.toString().trim() : "unknown";
}
