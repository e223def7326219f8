import type { Command } from "commander";

import { findEmails } from "../../adapters/postgres/users.ts";
import { actionsOn, noteActions } from "../../adapters/postgres/operator-actions.ts";
import { standings } from "../../adapters/postgres/open-requests.ts";
import {
  parkedStanding,
  searchRequests,
  wholeRequest,
  type WholeRequest,
} from "../../adapters/postgres/search-requests.ts";
import { createRequestHints } from "../../adapters/redis/request-hints.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { printJson, printLine } from "../../adapters/terminal/table.ts";
import type { AttemptHints } from "../../core/attempt/start.ts";
import { isTerminal, REQUEST_STATES } from "../../core/request/request.ts";
import { ACTOR_OPTION, actorOf } from "../operator/actor.ts";
import { parseCount } from "../operator/arguments.ts";
import { describeStanding } from "../dead/dead-text.ts";
import { operate, type Operation } from "../operator/operate.ts";
import { openContent } from "../dead/resubmit.ts";
import {
  describeFilter,
  FILTER_OPTIONS,
  type FilterOptions,
  parseStatus,
  readFilter,
  requireRequestId,
} from "../requests/filter.ts";
import { listSeen } from "../requests/list-requests.ts";
import {
  formatKnown,
  formatRequests,
  type KnownRequest,
  knownJson,
  requestJson,
} from "../requests/request-text.ts";
import { readWaiting } from "../requests/why-waiting.ts";
import { waitForEnd } from "../requests/wait-for-end.ts";
import { registerCancel } from "./request-cancel.ts";

export function registerRequest(program: Command): void {
  const request = program
    .command("request")
    .description("find requests of all users, see how they stand, wait for one, cancel them")
    .addHelpText(
      "after",
      `
Examples:
  ./tollgate request list --status queued --older-than 10m
  ./tollgate request show 01980f6e-8a3e-7000-8000-3f1d5b0c9a11
  ./tollgate request cancel --user ada@example.org --model sim-chat`,
    );
  registerList(request);
  registerShow(request);
  registerWait(request);
  registerCancel(request);
}

interface ListOptions extends FilterOptions {
  limit: string;
  after?: string;
  json?: boolean;
}

function registerList(request: Command): void {
  request
    .command("list")
    .description("list requests, newest first")
    .option(...FILTER_OPTIONS.user)
    .option(...FILTER_OPTIONS.model)
    .option(...FILTER_OPTIONS.olderThan)
    .option("--status <status>", "queued, in_progress, completed, failed, cancelled or expired")
    .option("--limit <count>", "how many", "50")
    .option("--after <id>", "go on after this request")
    .option("--json", "print {requests: [...], next}; next is where to go on, or null")
    .addHelpText(
      "after",
      `
TOKENS is what was used, or the estimate while a request is open.

Examples:
  ./tollgate request list --user ada@example.org --status failed
  ./tollgate request list --status queued --json | jq -r '.requests[].request_id'`,
    )
    .action(list);
}

async function list(options: ListOptions): Promise<void> {
  const status = parseStatus(options.status, REQUEST_STATES);
  const limit = parseCount(options.limit, "--limit", 1, 10_000);
  const before = options.after === undefined ? undefined : requireRequestId(options.after);
  await operate({ servers: ["postgres", "redis"], secrets: [] }, async (operation) => {
    const { database } = operation;
    const filter = await readFilter(database, options);
    const page = await listSeen(
      {
        search: (what, where) => searchRequests(database, what, where),
        readStarted: async (requests) =>
          createRequestHints(await operation.redis()).readStarted(requests),
      },
      filter,
      { status, before, limit },
    );
    const userIds = [...new Set(page.items.map(({ userId }) => userId))];
    const emails = await findEmails(database, userIds);
    if (!page.isProgressKnown)
      process.stderr.write(
        "tollgate: Redis does not answer, so what is in progress is shown as queued\n",
      );
    if (options.json === true) {
      const requests = page.items.map((one) => requestJson(one, emails.get(one.userId) ?? null));
      printJson({ requests, next: page.next });
      return;
    }
    if (page.items.length === 0) printLine(`there is no request${describeFilter(options)}`);
    else printLine(formatRequests(page.items, emails, Date.now()));
    if (page.next !== null)
      printLine(`There may be more: ./tollgate request list --after ${page.next}`);
  });
}

interface ShowOptions {
  reveal?: boolean;
  actor?: string;
  json?: boolean;
}

function registerShow(request: Command): void {
  request
    .command("show")
    .description("show all that is known of a request but its content")
    .argument("<id>")
    .option("--reveal", "also open the sealed content, which is a user's; that you did is noted")
    .option(...ACTOR_OPTION)
    .option("--json", "print an object")
    .addHelpText(
      "after",
      `
Examples:
  ./tollgate request show 01980f6e-8a3e-7000-8000-3f1d5b0c9a11
  ./tollgate request show 01980f6e-8a3e-7000-8000-3f1d5b0c9a11 --reveal --json | jq .content.prompt`,
    )
    .action(show);
}

const ACTIONS_SHOWN = 100;

async function show(idText: string, options: ShowOptions): Promise<void> {
  const id = requireRequestId(idText);
  const isRevealed = options.reveal === true;
  const secrets = isRevealed ? (["encryptionKeys"] as const) : [];
  await operate({ servers: ["postgres", "redis"], secrets }, async (operation) => {
    const known = await readKnown(operation, id);
    let revealed = {};
    if (isRevealed) {
      // Opened first, so that a want of keys is not noted as a look.
      const content = contentOf(operation, known.request);
      const about = { user_id: known.request.userId, model: known.request.model };
      const action = { action: "request.reveal", target: id, detail: about };
      await noteActions(operation.database, [{ actor: actorOf(options.actor), ...action }]);
      revealed = { content };
    }
    if (options.json === true) {
      printJson({ ...knownJson(known), ...revealed });
      return;
    }
    printLine(formatKnown(known, Date.now()));
    if (isRevealed) printJson(revealed);
  });
}

async function readKnown(operation: Operation, id: string): Promise<KnownRequest> {
  const { database } = operation;
  const request = await wholeRequest(database, id);
  if (request === undefined) throw unknownRequest(id);
  const [emails, [standing], hints, parked, actions] = await Promise.all([
    findEmails(database, [request.userId]),
    standings(database, [id]),
    readHints(operation, request),
    parkedStanding(database, id),
    actionsOn(database, id, ACTIONS_SHOWN),
  ]);
  const waiting = await waitingOf(operation, request, hints);
  const email = emails.get(request.userId) ?? null;
  const billedTokens = standing?.billedTokens ?? null;
  return { request, email, billedTokens, hints, parked, waiting, actions };
}

/** undefined: Redis does not answer, which must not hide the rest. */
async function readHints(operation: Operation, request: WholeRequest) {
  try {
    const [hints] = await createRequestHints(await operation.redis()).read([request]);
    return hints;
  } catch {
    return undefined;
  }
}

/** undefined: it does not wait, or Redis does not answer. */
async function waitingOf(
  operation: Operation,
  request: WholeRequest,
  hints: AttemptHints | undefined,
) {
  if (isTerminal(request.state) || hints === undefined || hints.started !== undefined)
    return undefined;
  return readWaiting(operation, request, hints);
}

function contentOf(operation: Operation, request: WholeRequest) {
  const open = (field: "prompt" | "metadata" | "result"): unknown => {
    const sealed = request[field];
    return sealed === null ? null : openContent(operation, request, sealed, field);
  };
  const { errorDetail } = request;
  return {
    prompt: open("prompt"),
    metadata: open("metadata"),
    result: open("result"),
    upstream:
      errorDetail === null ? null : openContent(operation, request, errorDetail, "error_detail"),
  };
}

const unknownRequest = (id: string): CommandFailure =>
  new CommandFailure(`there is no request ${id}: see ./tollgate request list`);

function registerWait(request: Command): void {
  request
    .command("wait")
    .description("wait until a request has ended")
    .argument("<id>")
    .option("--timeout <seconds>", "how long to wait", "600")
    .option("--json", "print {request_id, status, billed_tokens}")
    .addHelpText(
      "after",
      `
Exit codes: 0 completed, ${EXIT.failed} failed, cancelled or expired, or there is no such request,
${EXIT.usage} wrong use, ${EXIT.stillOpen} not ended within --timeout.

Example:
  ./tollgate request wait 01980f6e-8a3e-7000-8000-3f1d5b0c9a11 --timeout 60`,
    )
    .action(wait);
}

async function wait(idText: string, options: { timeout: string; json?: boolean }): Promise<void> {
  const id = requireRequestId(idText);
  const deadlineMs = Date.now() + parseCount(options.timeout, "--timeout", 0, 86_400) * 1_000;
  await operate({ servers: ["postgres", "redis"], secrets: [] }, async (operation) => {
    const standing = await waitForEnd(operation, id, deadlineMs);
    if (standing === undefined) throw unknownRequest(id);
    const { state, billedTokens } = standing;
    if (options.json === true)
      printJson({ request_id: id, status: state, billed_tokens: billedTokens });
    if (!isTerminal(state))
      throw new CommandFailure(`the request ${id} is still open after ${options.timeout} s`, {
        exitCode: EXIT.stillOpen,
      });
    if (options.json !== true) printLine(`${id} ${describeStanding(standing)}`);
    if (state !== "completed") process.exitCode = EXIT.failed;
  });
}
