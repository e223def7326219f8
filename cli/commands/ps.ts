import type { Command } from "commander";

import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { statePaths } from "../../adapters/state/paths.ts";
import { requireCheckout } from "../checkout.ts";

export function registerPs(program: Command): void {
  program
    .command("ps")
    .description("list the processes of up: pid, state, uptime, memory, port")
    .option("--json", "print an array of objects")
    .addHelpText(
      "after",
      `
Exit codes: 0 all runs, ${EXIT.failed} something should run but does not, ${EXIT.notRunning} nothing is up.

Examples:
  ./tollgate ps
  ./tollgate ps --json | jq -r '.[] | select(.component == "worker").pid'`,
    )
    .action(ps);
}

async function ps(options: { json?: boolean }): Promise<void> {
  requireCheckout("ps");
  const { formatProcesses, listProcesses } = await import("../../local/process-list.ts");
  const rows = listProcesses(statePaths());
  if (options.json === true) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
  if (rows.length === 0) {
    throw new CommandFailure("nothing is up: start it with ./tollgate up", {
      exitCode: EXIT.notRunning,
    });
  }
  if (options.json !== true) process.stdout.write(`${formatProcesses(rows)}\n`);
  const down = rows.filter(({ state }) => state !== "running" && state !== "in docker");
  if (down.length > 0) process.exitCode = EXIT.failed;
}
