import type { Command } from "commander";

import { configPath } from "../../adapters/state/read-config.ts";
import { statePaths } from "../../adapters/state/paths.ts";
import { readEnvFile } from "../../adapters/state/secrets.ts";
import { serverEnvironment } from "../../adapters/state/server-urls.ts";
import { countLivePublishers } from "../../adapters/postgres/publishers.ts";
import { requireYes } from "../../adapters/terminal/confirm.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { createProgress, type Progress } from "../../adapters/terminal/progress.ts";
import { formatCount } from "../../adapters/terminal/table.ts";
import type { BackupWish } from "../../local/backup/settings.ts";
import { type BroughtTogether, bringTogether } from "../backup/bring-together.ts";
import { parseMoment } from "../backup/moment.ts";
import { addRepositoryOptions, REPOSITORY_HELP, wishOf } from "../backup/options.ts";
import { requireCheckout } from "../checkout.ts";
import { operate, type Operation } from "../operator/operate.ts";
import { auditWith } from "./audit.ts";

interface RestoreOptions extends BackupWish {
  to?: string;
  yes?: boolean;
}

const SERVERS = { servers: ["postgres", "redis", "amqp"], secrets: ["encryptionKeys"] } as const;
/** A gateway notes something once a second at least. */
const GATEWAY_SILENT_MS = 5_000;

export function registerRestore(program: Command): void {
  const command = program
    .command("restore")
    .description("set the database of up back to a moment, and Redis and RabbitMQ with it")
    // An option behind the subcommand is that of the subcommand.
    .enablePositionalOptions()
    .option("--to <time>", "such as 2026-11-28T09:15:00Z, or latest: the last archived change")
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
  ./tollgate restore --to latest --yes
  ./tollgate restore follow   the database was set back by other tools`,
    )
    .action(restore);

  command
    .command("follow")
    .description("make Redis and RabbitMQ fit a database that was restored by other tools")
    .option("-y, --yes", "do not ask before Redis is emptied")
    .addHelpText(
      "after",
      `
It does what restore does after PostgreSQL is set back, on the servers that the environment names: Redis is
emptied and built from PostgreSQL, messages of requests that PostgreSQL does not know are dropped, and open
requests that are in no queue are published. Gateways, workers and collectors must be stopped.
Exit code 0: the books agree; ${EXIT.failed}: they differ.`,
    )
    .action(({ yes }: Pick<RestoreOptions, "yes">) => follow(yes === true));
}

async function restore(options: RestoreOptions): Promise<void> {
  requireCheckout("restore");
  if (options.to === undefined)
    throw new CommandFailure("say to when: --to 2026-11-28T09:15:00Z, or --to latest", {
      exitCode: EXIT.usage,
    });
  const toMs = options.to === "latest" ? undefined : parseMoment(options.to);
  const local = await import("../../local/backup/restore.ts");
  await local.restore({
    wish: wishOf(options, process.env),
    toMs,
    isSaid: options.yes === true,
    bringTogether: async (urls, progress) => {
      const env = {
        ...readEnvFile(statePaths().secretsEnv),
        ...process.env,
        ...serverEnvironment(urls),
        TOLLGATE_CONFIG: configPath(process.env),
      };
      await operate(SERVERS, (operation) => followAndAudit(operation, progress), env);
    },
  });
}

async function follow(isSaid: boolean): Promise<void> {
  await operate(SERVERS, async (operation) => {
    if ((await countLivePublishers(operation.database, GATEWAY_SILENT_MS)) > 0)
      throw new CommandFailure("gateways run on this database, or did 5 s ago: stop them first", {
        exitCode: EXIT.usage,
      });
    requireYes(isSaid, "empty Redis and drop messages of requests that PostgreSQL does not know");
    await followAndAudit(operation, createProgress(process.stdout));
  });
}

/** Sets the exit code to that of the audit. */
async function followAndAudit(operation: Operation, progress: Progress): Promise<void> {
  const done = await progress.step("Redis and RabbitMQ follow", async () => ({
    detail: undefined,
    ...(await bringTogether(operation)),
  }));
  for (const line of describe(done)) progress.say(`  ${line}`);
  await auditWith(operation, { queues: true });
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
    `${formatCount(published, "request")} published again (open, and in no queue)`,
  ];
}
