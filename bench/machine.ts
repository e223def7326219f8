import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

/** What the figures were measured on. */
export interface Machine {
  cores: number;
  cpu: string;
  memoryBytes: number;
  kernel: string;
  distribution: string;
  bun: string;
  commit: string;
  /** Runnable processes, mean of the last minute, before the run began: something else may be at work. */
  loadBefore: number;
}

export function describeMachine(root: string): Machine {
  const commit = Bun.spawnSync(["git", "-C", root, "describe", "--always", "--dirty"]);
  return {
    cores: navigator.hardwareConcurrency,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    memoryBytes: totalmem(),
    kernel: release(),
    distribution: /^PRETTY_NAME="(.*)"$/m.exec(readOr("/etc/os-release"))?.[1] ?? process.platform,
    bun: Bun.version,
    commit: commit.success ? commit.stdout.toString().trim() : "unknown",
    loadBefore: Number(readOr("/proc/loadavg").split(" ", 1)[0] ?? 0),
  };
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
