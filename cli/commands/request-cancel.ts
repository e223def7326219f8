import type { Command } from "commander";

import { standings } from "../../adapters/postgres/open-requests.ts";
import {
  countOpen,
  type OpenRequest,
  openByIds,
  type RequestFilter,
} from "../../adapters/postgres/search-requests.ts";
import { requireYes } from "../../adapters/terminal/confirm.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { formatCount, printJson, printLine } from "../../adapters/terminal/table.ts";
import { ACTOR_OPTION, actorOf } from "../operator/actor.ts";
import { describeStanding } from "../dead/dead-text.ts";
import { operate, type Operation } from "../operator/operate.ts";
import { cancelAll, cancelPorts, describeCounts } from "../requests/cancel-all.ts";
import {
  type CancelCounts,
  type CancelOrder,
  cancelRequests,
} from "../requests/cancel-requests.ts";
import {
  describeFilter,
  FILTER_OPTIONS,
  type FilterOptions,
  parseStatus,
  readFilter,
  requireRequestId,
} from "../requests/filter.ts";

interface CancelOptions extends FilterOptions {
  reason?: string;
  actor?: string;
  yes?: boolean;
  json?: boolean;
}

export function registerCancel(request: Command): void {
  request
    .command("cancel")
    .description("cancel open requests, by their ids or all of a kind")
    .argument("[id...]")
    .option(...FILTER_OPTIONS.user)
    .option(...FILTER_OPTIONS.model)
    .option(...FILTER_OPTIONS.olderThan)
    .option("--status <status>", "queued (no worker executes it) or in_progress only")
    .option("--reason <text>", "why, to be noted with each")
    .option(...ACTOR_OPTION)
    .option("-y, --yes", "do not ask")
    .option("--json", "print {cancelled, stopping, spared, ended}")
    .addHelpText(
      "after",
      `
What waits ends as cancelled and is not billed. What a worker executes is broken off and ends as cancelled,
billed for what it used. Each is settled once and noted in operator_actions with who did it. Interrupted, it
may be repeated.

Exit codes: 0 done, ${EXIT.failed} nothing matches, ${EXIT.usage} wrong use, or nobody could be asked,
${EXIT.unreachable} a server cannot be reached; what was cancelled by then stays so.

Examples:
  ./tollgate request cancel 01980f6e-8a3e-7000-8000-3f1d5b0c9a11 --yes
  ./tollgate request cancel --user ada@example.org --model sim-chat
  ./tollgate request cancel --model sim-chat --status queued --older-than 1h --yes`,
    )
    .action(cancel);
}

async function cancel(idTexts: string[], options: CancelOptions): Promise<void> {
  const ids = [...new Set(idTexts.map(requireRequestId))];
  const status = parseStatus(options.status, ["queued", "in_progress"]);
  requireOneWay(ids, options);
  const order: CancelOrder = {
    actor: actorOf(options.actor),
    which: status === undefined ? "all" : WHICH[status],
    detail: detailOf(options),
  };
  await operate({ servers: ["postgres", "redis"], secrets: [] }, async (operation) => {
    const counts =
      ids.length > 0
        ? await cancelByIds(operation, ids, order, options)
        : await cancelByFilter(operation, order, options);
    if (options.json === true) printJson(counts);
    else printLine(describeCounts(counts));
    if (counts.cancelled + counts.stopping === 0)
      throw new CommandFailure("nothing was cancelled", { exitCode: EXIT.failed });
  });
}

const WHICH = { queued: "waiting", in_progress: "running" } as const;

/** @throws {CommandFailure} unless there are either ids or a filter */
function requireOneWay(ids: readonly string[], options: CancelOptions): void {
  const hasFilter = [options.user, options.model, options.olderThan, options.status].some(
    (value) => value !== undefined,
  );
  if (hasFilter !== ids.length > 0) return;
  const what = hasFilter
    ? "give either ids or what they have in common"
    : "say what to cancel: ids, or --user, --model, --older-than, --status";
  throw new CommandFailure(what, { exitCode: EXIT.usage });
}

/** What is noted with each request. */
function detailOf({ reason, user, model, olderThan, status }: CancelOptions) {
  const filter = { user, model, older_than: olderThan, status };
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(given.length === 0 ? {} : { filter: Object.fromEntries(given) }),
  };
}

async function cancelByFilter(
  operation: Operation,
  order: CancelOrder,
  options: CancelOptions,
): Promise<CancelCounts> {
  const { status, ...open } = options;
  const filter: RequestFilter = await readFilter(operation.database, open);
  const count = await countOpen(operation.database, filter);
  if (count === 0)
    throw new CommandFailure(`nothing matches: there is no open request${describeFilter(open)}`);
  // Which of them run is known when their turn comes.
  const all = `${formatCount(count, "open request")}${describeFilter(open)}`;
  const what = status === undefined ? all : `those of ${all} that are ${status.replace("_", " ")}`;
  requireYes(options.yes === true, `cancel ${what}`);
  return cancelAll(operation, filter, order, { total: count });
}

async function cancelByIds(
  operation: Operation,
  ids: readonly string[],
  order: CancelOrder,
  options: CancelOptions,
): Promise<CancelCounts> {
  const open = await openOf(operation, ids);
  const what = open.length === 1 ? `the request ${open[0]?.requestId}` : `${open.length} requests`;
  requireYes(options.yes === true, `cancel ${what}`);
  return cancelRequests(await cancelPorts(operation), open, order);
}

/**
 * The requests of these ids that are open; of the others it is said how they ended.
 *
 * @throws {CommandFailure} when one is unknown, before anything is done, or when none is open
 */
async function openOf({ database }: Operation, ids: readonly string[]): Promise<OpenRequest[]> {
  const stands = await standings(database, ids);
  const unknown = ids.filter((_, index) => stands[index] === undefined);
  if (unknown.length > 0)
    throw new CommandFailure(
      `there is no request ${unknown.join(", ")}: nothing was cancelled; see ./tollgate request list`,
    );
  for (const [index, standing] of stands.entries())
    if (standing?.state !== "queued")
      process.stderr.write(`tollgate: ${ids[index]} has ended: ${describeStanding(standing)}\n`);
  const open = await openByIds(database, ids);
  if (open.length === 0) throw new CommandFailure("nothing matches: none of them is open");
  return open;
}
