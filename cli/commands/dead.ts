import { errorDetailOf } from "../../adapters/amqp/messages.ts";
import type { Command } from "commander";

import { standings } from "../../adapters/postgres/open-requests.ts";
import { noteActions } from "../../adapters/postgres/operator-actions.ts";
import { requireYes } from "../../adapters/terminal/confirm.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { printable } from "../../adapters/terminal/printable.ts";
import { formatCount, printJson, printLine } from "../../adapters/terminal/table.ts";
import {
  countLetters,
  type DeadLetter,
  type DeadQueue,
  dropAllLetters,
  dropLetters,
  letterBox,
  listLetters,
  LOOK_MAX,
  parseDeadQueues,
  requireLetter,
} from "../dead/dead-letters.ts";
import { formatLetter, formatLetters, letterJson } from "../dead/dead-text.ts";
import { openContent } from "../dead/resubmit.ts";
import { ACTOR_OPTION, actorOf } from "../operator/actor.ts";
import { parseCount } from "../operator/arguments.ts";
import { operate, type Operation } from "../operator/operate.ts";
import { isUuid } from "../operator/users.ts";
import { registerRetry } from "./dead-retry.ts";

export function registerDead(program: Command): void {
  const dead = program
    .command("dead")
    .description("look at requests and results that failed for good, try or drop them")
    .addHelpText(
      "after",
      `
A dead letter is a copy for people. Its request has ended as failed and its hold is released, whatever
becomes of the letter. ID is the request id.

Examples:
  ./tollgate dead list
  ./tollgate dead show 01980f6e-8a3e-7000-8000-3f1d5b0c9a11
  ./tollgate dead retry 01980f6e-8a3e-7000-8000-3f1d5b0c9a11`,
    );
  registerList(dead);
  registerShow(dead);
  registerRetry(dead);
  registerDrop(dead);
}

function registerList(dead: Command): void {
  dead
    .command("list")
    .description("list dead letters, oldest first")
    .option("--queue <queue>", "requests or results (default: both)")
    .option("--limit <count>", "how many of each queue", "50")
    .option("--json", "print an array of objects")
    .addHelpText(
      "after",
      `
Example:
  ./tollgate dead list --json | jq -r '.[] | select(.error.code == "UPSTREAM_TIMEOUT").request_id'`,
    )
    .action(list);
}

async function list(options: { queue?: string; limit: string; json?: boolean }): Promise<void> {
  const which = parseDeadQueues(options.queue);
  const limit = parseCount(options.limit, "--limit", 1, LOOK_MAX);
  await operate({ servers: ["amqp"], secrets: ["encryptionKeys"] }, async (operation) => {
    const letters = await listLetters(await letterBox(operation), which, limit);
    if (options.json === true) printJson(letters.map(letterJson));
    else printLine(letters.length === 0 ? "there are no dead letters" : formatLetters(letters));
  });
}

function registerShow(dead: Command): void {
  dead
    .command("show")
    .description("show a dead letter and how its request stands")
    .argument("<id>")
    .option("--reveal", "also open the sealed content, which is a user's; that you did is noted")
    .option(...ACTOR_OPTION)
    .option("--json", "print an object")
    .addHelpText(
      "after",
      `
Examples:
  ./tollgate dead show 01980f6e-8a3e-7000-8000-3f1d5b0c9a11
  ./tollgate dead show 01980f6e-8a3e-7000-8000-3f1d5b0c9a11 --reveal --json | jq .content.input`,
    )
    .action(show);
}

interface ShowOptions {
  reveal?: boolean;
  actor?: string;
  json?: boolean;
}

async function show(id: string, options: ShowOptions): Promise<void> {
  const reveal = options.reveal === true;
  const needs = { servers: ["postgres", "amqp"], secrets: ["encryptionKeys"] } as const;
  await operate(needs, async (operation) => {
    const letter = await requireLetter(await letterBox(operation), id);
    const standing = await standingOf(operation, id);
    const content = reveal ? contentOf(operation, letter) : undefined;
    const upstream = reveal ? upstreamOf(operation, letter) : undefined;
    if (reveal) await note(operation, options.actor, "dead.reveal", id, {});
    if (options.json === true) {
      const { headers } = letter.message;
      const now = standing && { state: standing.state, billed_tokens: standing.billedTokens };
      const revealed = reveal ? { content, upstream } : {};
      printJson({ ...letterJson(letter), now: now ?? null, headers, ...revealed });
      return;
    }
    printLine(formatLetter(letter, standing));
    if (reveal) printJson(content);
    if (upstream) printLine("what the ML service said:");
    if (upstream) printJson(upstream);
  });
}

async function note(
  { database }: Operation,
  actor: string | undefined,
  action: string,
  target: string,
  detail: Readonly<Record<string, unknown>>,
): Promise<void> {
  await noteActions(database, [{ actor: actorOf(actor), action, target, detail }]);
}

async function standingOf({ database }: Operation, id: string) {
  return isUuid(id) ? (await standings(database, [id]))[0] : undefined;
}

function contentOf(operation: Operation, { content, message }: DeadLetter): unknown {
  if (content.kind === "unreadable")
    throw new CommandFailure("the letter cannot be read, so it is not known how it was sealed");
  if (message.body.byteLength === 0) return null;
  const field = content.kind === "request" ? "prompt" : "result";
  return openContent(operation, content.head, message.body, field);
}

/** What the ML service said of the failure that made a dead letter; null: nothing. */
function upstreamOf(operation: Operation, { content, message }: DeadLetter): unknown {
  const sealed = errorDetailOf(message.headers);
  if (content.kind === "unreadable" || sealed === undefined) return null;
  return openContent(operation, content.head, sealed, "error_detail");
}

interface DropOptions {
  all?: boolean;
  queue?: string;
  actor?: string;
  yes?: boolean;
}

function registerDrop(dead: Command): void {
  dead
    .command("drop")
    .description("forget a dead letter, or all; how its request ended stays stored")
    .argument("[id]")
    .option("--all", "every letter, those without an id too")
    .option("--queue <queue>", "with --all: requests or results only")
    .option(...ACTOR_OPTION)
    .option("-y, --yes", "with --all: do not ask")
    .addHelpText(
      "after",
      `
Examples:
  ./tollgate dead drop 01980f6e-8a3e-7000-8000-3f1d5b0c9a11
  ./tollgate dead drop --all --queue results --yes`,
    )
    .action(drop);
}

async function drop(id: string | undefined, options: DropOptions): Promise<void> {
  const isAll = options.all === true;
  if (isAll === (id !== undefined))
    throw new CommandFailure("say what to drop: an id, or --all", { exitCode: EXIT.usage });
  if (!isAll && options.queue !== undefined)
    throw new CommandFailure("--queue goes with --all", { exitCode: EXIT.usage });
  const which = parseDeadQueues(options.queue);
  const needs = { servers: ["postgres", "amqp"], secrets: ["encryptionKeys"] } as const;
  await operate(needs, async (operation) => {
    if (id === undefined) return dropAll(operation, which, options);
    const box = await letterBox(operation);
    await requireLetter(box, id);
    await note(operation, options.actor, "dead.drop", id, {});
    await dropLetters(box, id);
    printLine(printable(`the letter ${id} is dropped`));
  });
}

async function dropAll(
  operation: Operation,
  which: readonly DeadQueue[],
  { actor, yes }: DropOptions,
): Promise<void> {
  const { queues } = operation;
  const amqp = await operation.amqp();
  const count = await countLetters(amqp, queues, which);
  if (count > 0) {
    requireYes(yes === true, `drop ${formatCount(count, "dead letter")} for good`);
    await note(operation, actor, "dead.drop", "all dead letters", {
      queues: which,
      letters: count,
    });
  }
  const dropped = await dropAllLetters(amqp, queues, which);
  printLine(`${formatCount(dropped, "dead letter")} dropped`);
}
