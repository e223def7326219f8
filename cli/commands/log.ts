import type { Command } from "commander";

import { listActions, type NotedAction } from "../../adapters/postgres/operator-actions.ts";
import { formatInstant, formatTable, printJson, printLine } from "../../adapters/terminal/table.ts";
import { parseCount, parseDuration } from "../operator/arguments.ts";
import { operate } from "../operator/operate.ts";
import { requireUser } from "../operator/users.ts";

export function registerLog(program: Command): void {
  const log = program
    .command("log")
    .description("show what operators did (what processes write: ./tollgate logs)");
  log
    .command("admin")
    .description("list what operators did, newest first: who, what, on what, why, before and after")
    .option("--actor <who>", "by whom, as it is noted")
    .option("--action <action>", "such as key.revoke, or key for all of keys")
    .option("--target <target>", "the id of a request, user or key, or the name of a model")
    .option("--user <user>", "done to this user, and to requests and keys of theirs")
    .option("--newer-than <duration>", "done within the last 24h, 7d or the like")
    .option("--limit <count>", "how many", "50")
    .option("--after <id>", "go on after this one, with older ones")
    .option("--json", "print {actions: [...], next}; next is where to go on, or null")
    .addHelpText(
      "after",
      `
USER is an id, an email, or a name that only one user has. The table operator_actions refuses changes.

Examples:
  ./tollgate log admin --user ada@example.org
  ./tollgate log admin --action key.revoke --newer-than 7d --json | jq -r '.actions[].actor'`,
    )
    .action(logAdmin);
}

interface LogOptions {
  actor?: string;
  action?: string;
  target?: string;
  user?: string;
  newerThan?: string;
  limit: string;
  after?: string;
  json?: boolean;
}

async function logAdmin(options: LogOptions): Promise<void> {
  const limit = parseCount(options.limit, "--limit", 1, 10_000);
  const before = options.after === undefined ? undefined : parseCount(options.after, "--after", 1);
  const sinceMs =
    options.newerThan === undefined
      ? undefined
      : Date.now() - parseDuration(options.newerThan, "--newer-than");
  const { actor, action, target } = options;
  await operate({ servers: ["postgres"], secrets: [] }, async ({ database }) => {
    const userId =
      options.user === undefined ? undefined : (await requireUser(database, options.user)).userId;
    const filter = { actor, action, target, userId, sinceMs, before };
    const actions = await listActions(database, filter, limit);
    const next = actions.length === limit ? (actions.at(-1)?.actionId ?? null) : null;
    if (options.json === true) {
      printJson({ actions: actions.map(actionJson), next });
      return;
    }
    if (actions.length === 0) printLine("no such act is noted");
    else printLine(formatActions(actions));
    if (next !== null) printLine(`There may be more: ./tollgate log admin --after ${next}`);
  });
}

const actionJson = ({ actionId, atMs, actor, ...rest }: NotedAction) => ({
  action_id: actionId,
  at: new Date(atMs).toISOString(),
  actor,
  reason: rest.reason,
  action: rest.action,
  target: rest.target,
  detail: rest.detail,
  before: rest.before,
  after: rest.after,
});

function formatActions(actions: readonly NotedAction[]): string {
  const rows = actions.map((action) => [
    formatInstant(action.atMs),
    action.actor,
    action.action,
    action.target,
    action.reason ?? "",
    changeOf(action),
  ]);
  return formatTable(["AT (UTC)", "WHO", "WHAT", "ON", "WHY", "CHANGE"], rows);
}

const brief = (value: unknown): string => (value === null ? "nothing" : JSON.stringify(value));

/** Only of acts that changed something that is stored. */
function changeOf({ before, after }: NotedAction): string {
  if (before === null && after === null) return "";
  return `${brief(before)} → ${brief(after)}`;
}
