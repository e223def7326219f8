import type { Command } from "commander";

import { requireCheckout } from "../checkout.ts";
import { parseCount } from "../operator/arguments.ts";

export function registerLogs(program: Command): void {
  program
    .command("logs")
    .description("show the last lines of the logs, of all components or of one")
    .argument(
      "[component]",
      "gateway, worker, collector, simulator, postgres, redis, rabbitmq, prometheus, …",
    )
    .option("-f, --follow", "go on with new lines until Ctrl-C")
    .option("-n, --lines <count>", "how many lines of each log", "20")
    .addHelpText(
      "after",
      `
The files are in .tollgate/logs/, one per component; the components write one JSON object per line. Lines of
several come in the order of their times.

Examples:
  ./tollgate logs gateway -f
  ./tollgate logs worker -n 1000 | jq 'select(.level == "error")'`,
    )
    .action(async (component: string | undefined, options: { follow?: true; lines: string }) => {
      requireCheckout("logs");
      const lines = parseCount(options.lines, "--lines");
      const { logs } = await import("../../local/logs.ts");
      await logs(component, { follow: options.follow === true, lines });
    });
}
