import type { Command } from "commander";

import { configPath } from "../../adapters/state/read-config.ts";
import { serverEnvironment } from "../../adapters/state/server-urls.ts";
import { EXIT } from "../../adapters/terminal/failure.ts";
import { formatCount } from "../../adapters/terminal/table.ts";
import type { BackupWish } from "../../local/backup/settings.ts";
import { type BroughtTogether, bringTogether } from "../backup/bring-together.ts";
import { parseMoment } from "../backup/moment.ts";
import { addRepositoryOptions, REPOSITORY_HELP, wishOf } from "../backup/options.ts";
import { requireCheckout } from "../checkout.ts";
import { operate } from "../operator/operate.ts";
import { auditWith } from "./audit.ts";

interface RestoreOptions extends BackupWish {
  to: string;
  yes?: boolean;
}

export function registerRestore(program: Command): void {
  const command = program
    .command("restore")
    .description("set the database of up back to a moment, and Redis and RabbitMQ with it")
    .requiredOption(
      "--to <time>",
      "such as 2026-11-28T09:15:00Z, or latest: the last archived change",
    )
    .option("-y, --yes", "do not ask before the data are replaced");
  addRepositoryOptions(command)
    .addHelpText(
      "after",
      `
The stack must be down. The moment is that of the database, on the line it was on then: a moment that an
earlier restore has undone can be restored as well. Requests that were accepted later are forgotten, and their
messages dropped; those that ended later are open again and are executed and billed anew. Holds and counters
are built from the database. Then the books are compared as ./tollgate audit --queues does.
The data of before stay in .tollgate/servers/postgres/ until the next restore.
${REPOSITORY_HELP}

Exit code 0: restored, and the books agree; ${EXIT.failed}: not restored, or the books differ;
${EXIT.alreadyRunning}: the stack runs.

Examples:
  ./tollgate down && ./tollgate restore --to 2026-11-28T09:15:00Z && ./tollgate up --detach
  ./tollgate restore --to latest --yes`,
    )
    .action(restore);
}

async function restore(options: RestoreOptions): Promise<void> {
  requireCheckout("restore");
  const toMs = options.to === "latest" ? undefined : parseMoment(options.to);
  const local = await import("../../local/backup/restore.ts");
  await local.restore({
    wish: wishOf(options, process.env),
    toMs,
    isSaid: options.yes === true,
    bringTogether: async (urls, progress) => {
      const env = {
        ...process.env,
        ...serverEnvironment(urls),
        TOLLGATE_CONFIG: configPath(process.env),
      };
      await operate(
        { servers: ["postgres", "redis", "amqp"], secrets: false },
        async (operation) => {
          const done = await progress.step("Redis and RabbitMQ follow", async () => ({
            detail: undefined,
            ...(await bringTogether(operation)),
          }));
          for (const line of describe(done)) progress.say(`  ${line}`);
          await auditWith(operation, { queues: true });
        },
        env,
      );
    },
  });
}

function describe({
  usersRebuilt,
  orphans,
  leftovers,
  kept,
  published,
}: BroughtTogether): string[] {
  const orphanTotal = [...orphans.values()].reduce((sum, count) => sum + count, 0);
  const where = [...orphans].map(([queue, count]) => `${queue} ${count}`).join(", ");
  return [
    `${formatCount(usersRebuilt, "user")} built in Redis from PostgreSQL`,
    `${formatCount(orphanTotal, "message")} dropped of requests that PostgreSQL does not know` +
      (where === "" ? "" : ` (${where})`),
    `${formatCount(leftovers, "message")} dropped of requests that had ended, ${kept} kept`,
    `${formatCount(published, "request")} published that were open and in no queue`,
  ];
}
