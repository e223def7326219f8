import type { Command } from "commander";

import { keyHashesOf } from "../../adapters/postgres/api-keys.ts";
import { noteActions } from "../../adapters/postgres/operator-actions.ts";
import { countOpen } from "../../adapters/postgres/search-requests.ts";
import { setUserActive, type User } from "../../adapters/postgres/users.ts";
import { printable } from "../../adapters/terminal/printable.ts";
import { printJson, printLine } from "../../adapters/terminal/table.ts";
import { ACTOR_OPTION, actorOf } from "../operator/actor.ts";
import { forgetKeys } from "../operator/keys.ts";
import { operate, type Operation } from "../operator/operate.ts";
import { requireUser } from "../operator/users.ts";
import { cancelAll, describeCounts } from "../requests/cancel-all.ts";
import { type CancelCounts, sumOf } from "../requests/cancel-requests.ts";

interface ActivityOptions {
  cancelRunning?: boolean;
  actor?: string;
  json?: boolean;
}

/** Within so long every gateway refuses the keys; what was accepted until then is looked for again. */
const ANNOUNCED_MS = 1_000;

export function registerActivity(user: Command): void {
  user
    .command("deactivate")
    .description(
      "refuse all keys of a user (401) from now on, and cancel what of theirs has not started",
    )
    .argument("<user>")
    .option(
      "--cancel-running",
      "also break off what workers execute; it is billed for what it used",
    )
    .option(...ACTOR_OPTION)
    .option("--json", "print {user_id, active, cancelled, stopping, spared, ended}")
    .addHelpText(
      "after",
      `
Takes effect on all gateways within a second. What a worker executes is let finish, and billed: the user
cannot cancel it any more, you can, with --cancel-running or ./tollgate request cancel. Repeating the command
does no harm. What was cancelled stays so when the user is activated again.

Example:
  ./tollgate user deactivate ada@example.org`,
    )
    .action(deactivate);
  user
    .command("activate")
    .description("let an inactive user's keys work again")
    .argument("<user>")
    .option(...ACTOR_OPTION)
    .option("--json", "print {user_id, active}")
    .addHelpText(
      "after",
      `
Takes effect on all gateways within a second.

Example:
  ./tollgate user activate ada@example.org`,
    )
    .action(activate);
}

async function activate(who: string, options: ActivityOptions): Promise<void> {
  await operate({ servers: ["postgres", "redis"], secrets: [] }, async (operation) => {
    const user = await requireUser(operation.database, who);
    await setActivity(operation, user, true, actorOf(options.actor));
    if (options.json === true) printJson({ user_id: user.userId, active: true });
    else printLine(`${nameOf(user)} is active`);
  });
}

async function deactivate(who: string, options: ActivityOptions): Promise<void> {
  await operate({ servers: ["postgres", "redis"], secrets: [] }, async (operation) => {
    const user = await requireUser(operation.database, who);
    const actor = actorOf(options.actor);
    await setActivity(operation, user, false, actor);
    const which = options.cancelRunning === true ? "all" : "waiting";
    const counts = await cancelOpen(operation, user, { actor, which });
    if (options.json === true) {
      printJson({ user_id: user.userId, active: false, ...counts });
      return;
    }
    printLine(`${nameOf(user)} is inactive: its keys are refused`);
    printLine(`open requests: ${describeCounts(counts)}`);
  });
}

const nameOf = ({ name, email }: User): string => printable(`${name} <${email}>`);

async function setActivity(
  operation: Operation,
  { userId }: User,
  active: boolean,
  actor: string,
): Promise<void> {
  const { database } = operation;
  const action = active ? "user.activate" : "user.deactivate";
  await noteActions(database, [{ actor, action, target: userId, detail: {} }]);
  await setUserActive(database, userId, active);
  await forgetKeys(operation, await keyHashesOf(database, userId));
}

/** Cancels what is open, and once more what a gateway was accepting while the user became inactive. */
async function cancelOpen(
  operation: Operation,
  { userId }: User,
  { actor, which }: { actor: string; which: "all" | "waiting" },
): Promise<CancelCounts> {
  const filter = { userId };
  const order = { actor, which, detail: { reason: "the user was deactivated" } };
  const seen = new Set<string>();
  const open = await countOpen(operation.database, filter);
  const first = await cancelAll(operation, filter, order, { total: open, seen });
  await Bun.sleep(ANNOUNCED_MS);
  return sumOf(first, await cancelAll(operation, filter, order, { total: open, seen }));
}
