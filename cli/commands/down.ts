import type { Command } from "commander";

import type { DownOptions } from "../../local/down.ts";
import { requireCheckout } from "../checkout.ts";

export function registerDown(program: Command): void {
  program
    .command("down")
    .description("stop what up started; the data are kept")
    .option("--purge", "delete the data, keys and logs below .tollgate/ as well")
    .option("-y, --yes", "do not ask before deleting")
    .addHelpText(
      "after",
      `
Servers given by DATABASE_URL, REDIS_URL and AMQP_URL are somebody else's: they are neither stopped nor
emptied.

Examples:
  ./tollgate down
  ./tollgate down --purge --yes   start over with nothing`,
    )
    .action(async (options: DownOptions) => {
      requireCheckout("down");
      const { down } = await import("../../local/down.ts");
      await down(options);
    });
}
