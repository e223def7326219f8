import type { Command } from "commander";

import { after } from "../../adapters/process/timers.ts";
import { createAuditPorts } from "../../adapters/quota/audit-ports.ts";
import { createLiveQuota } from "../../adapters/quota/live-quota.ts";
import { type AuditReport, runAudit } from "../../core/audit/run-audit.ts";
import { pause } from "../../runtime/schedule.ts";
import type { Difference } from "../../core/audit/difference.ts";
import type { RequestCounts } from "../../core/audit/books.ts";
import { CommandFailure, describeError, EXIT } from "../../adapters/terminal/failure.ts";
import { adviceOn, describeDifference } from "../operator/audit-text.ts";
import { operate, type Operation } from "../operator/operate.ts";
import {
  browseDeadLetters,
  describeQueues,
  lookAtQueues,
  type QueueLook,
} from "../operator/queue-look.ts";
import { tiersInForce } from "../operator/tiers.ts";
import { printable } from "../../adapters/terminal/printable.ts";
import { formatNumber, printJson, printLine } from "../../adapters/terminal/table.ts";

interface AuditOptions {
  repair?: boolean;
  queues?: boolean;
  json?: boolean;
}

export function registerAudit(program: Command): void {
  program
    .command("audit")
    .description("prove that quota, ledger and requests agree, for every user and window")
    .option(
      "--repair",
      "rebuild users whose counters in Redis are wrong from PostgreSQL, look again",
    )
    .option("--queues", "also check that PostgreSQL knows the requests of all dead letters")
    .option("--json", "print the report as an object")
    .addHelpText(
      "after",
      `
Checks: accepted = ended + open; at most one ledger row per request, none for what was not executed, and
its amounts; Redis used = ledger + open estimates, per user and window; every hold has an open request and
every open request its hold. Safe under load: what differs is read three times, and only what stays is told.
Of queues other than the dead letters only the depth is read, because looking into one counts as a delivery.

Exit codes: 0 the books agree (after --repair: agree again), ${EXIT.failed} they differ,
${EXIT.usage} wrong use or configuration, ${EXIT.notRunning} nothing is up,
${EXIT.unreachable} it could not look.

Examples:
  ./tollgate audit
  ./tollgate audit --repair
  ./tollgate audit --json | jq .drift_tokens`,
    )
    .action(audit);
}

async function audit(options: AuditOptions): Promise<void> {
  const hasQueues = options.queues === true;
  const servers = ["postgres", "redis", ...(hasQueues ? (["amqp"] as const) : [])] as const;
  try {
    await operate({ servers, secrets: [] }, (operation) => auditWith(operation, options));
  } catch (error) {
    // Failed would mean that the books differ.
    if (error instanceof CommandFailure && error.exitCode !== EXIT.failed) throw error;
    throw new CommandFailure(describeError(error), { exitCode: EXIT.unreachable, cause: error });
  }
}

/** Compares the books, prints what it finds, and sets the exit code. */
export async function auditWith(operation: Operation, options: AuditOptions): Promise<void> {
  const { database, queues } = operation;
  const redis = await operation.redis();
  const amqp = options.queues === true ? await operation.amqp() : undefined;
  const limits = await tiersInForce(operation);
  const ports = {
    ...createAuditPorts(
      database,
      redis,
      createLiveQuota(redis, database, () => limits),
    ),
    ...(amqp && { browseQueues: (limit: number) => browseDeadLetters(amqp, queues, limit) }),
    pause: (ms: number, signal: AbortSignal) => pause(after, ms, signal),
  };
  const before = amqp && (await ports.countRequests());
  const look = amqp && (await lookAtQueues(amqp, queues));
  const found = await runAudit(ports, { repair: options.repair === true });
  const isAgain = found.usersRepaired > 0;
  const last = isAgain ? await runAudit(ports) : found;

  if (options.json === true) printJson(jsonOf(last, look, isAgain ? found : undefined));
  else {
    if (isAgain) printRepair(found);
    printReport(last);
    if (look !== undefined && before !== undefined)
      for (const line of describeQueues(look, openAtMost(before, last.requests))) printLine(line);
    printDifferences(last.differences, last.differencesTotal);
    printLine(adviceOn(last.differences));
  }
  if (!last.isConsistent) process.exitCode = EXIT.failed;
}

function printRepair({ differences, differencesTotal, usersRepaired }: AuditReport): void {
  printDifferences(differences, differencesTotal);
  printLine(`repaired  ${formatNumber(usersRepaired)} users rebuilt from PostgreSQL; now:`);
}

function printReport(report: AuditReport): void {
  const { requests, usersNotLoaded } = report;
  if (requests !== null) printLine(`requests  ${describeCounts(requests)}`);
  const rest =
    usersNotLoaded === 0
      ? ""
      : `; ${formatNumber(usersNotLoaded)} that Redis does not know now and will rebuild`;
  printLine(`users     ${formatNumber(report.users)} compared${rest}`);
  printLine(`holds     ${formatNumber(report.holdsOpen)} open`);
  printLine(`drift     ${formatNumber(report.driftTokens)} tokens`);
}

/** How many requests can have been open when the queues were looked at, between these two counts. */
function openAtMost(before: RequestCounts, later: RequestCounts | null): number {
  const acceptedSince = Math.max(0, (later?.accepted ?? before.accepted) - before.accepted);
  return before.queued + acceptedSince;
}

function printDifferences(differences: readonly Difference[], total: number): void {
  for (const difference of differences) printLine(`✗ ${printable(describeDifference(difference))}`);
  if (total > differences.length)
    printLine(`✗ … and ${formatNumber(total - differences.length)} more`);
}

function describeCounts(counts: RequestCounts): string {
  const { accepted, queued, completed, failed, cancelled, expired } = counts;
  const ended = completed + failed + cancelled + expired;
  const [a, e, q] = [accepted, ended, queued].map(formatNumber);
  const ends = [
    `${completed} completed`,
    `${failed} failed`,
    `${cancelled} cancelled`,
    `${expired} expired`,
  ];
  return `${a} accepted = ${e} ended (${ends.join(", ")}) + ${q} open`;
}

function jsonOf(report: AuditReport, look: QueueLook | undefined, before: AuditReport | undefined) {
  return {
    agree: report.isConsistent,
    requests: report.requests,
    users: report.users,
    users_not_loaded: report.usersNotLoaded,
    holds_open: report.holdsOpen,
    drift_tokens: report.driftTokens,
    differences: report.differences.map(differenceJson),
    differences_total: report.differencesTotal,
    ...(look && { queues: look.ready }),
    ...(before && {
      repaired: {
        users: before.usersRepaired,
        differences: before.differences.map(differenceJson),
        differences_total: before.differencesTotal,
      },
    }),
  };
}

/** Names as in all our JSON: `userId` is printed as `user_id`. */
const differenceJson = (difference: Difference): Record<string, unknown> => ({
  ...Object.fromEntries(
    Object.entries(difference).map(([name, value]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  ),
  text: describeDifference(difference),
});
