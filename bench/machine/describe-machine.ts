import { cpus, loadavg, release, totalmem } from "node:os";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";

/** What the figures are measured on, for the report. Call it before the run begins. */
export function describeMachine(): Record<string, string> {
  const memory = `${(totalmem() / 2 ** 30).toFixed(1)} GB`;
  const distribution = outputOf("sh", "-c", '. /etc/os-release && echo "$PRETTY_NAME"');
  const commit = outputOf("git", "-C", PROJECT_ROOT, "describe", "--always", "--dirty");
  return {
    machine: `${navigator.hardwareConcurrency} cores, ${cpus()[0]?.model.trim()}, ${memory}`,
    system: `${distribution}, Linux ${release()}`,
    software: `commit ${commit}, Bun ${Bun.version}`,
    // Something else may be at work.
    "load before": `${loadavg()[0]} runnable processes, mean of the minute before`,
  };
}

function outputOf(...command: string[]): string {
  const run = Bun.spawnSync(command, { stderr: "ignore" });
  return run.success ? run.stdout.toString().trim() : "unknown";
}
