import type { Command } from "commander";

import { takeOne } from "../../adapters/amqp/inspect.ts";
import { encodeRequest, encodeResult, type OutgoingMessage } from "../../adapters/amqp/messages.ts";
import { createPublisher } from "../../adapters/amqp/publisher.ts";
import { standings } from "../../adapters/postgres/open-requests.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { parseCount } from "../operator/arguments.ts";
import {
  countLetters,
  type DeadLetter,
  type DeadQueue,
  dropAllLetters,
  dropLetters,
  listLetters,
  LOOK_MAX,
  parseDeadQueues,
  planRetry,
  queueNameOf,
  requireLetter,
} from "../operator/dead-letters.ts";
import { formatLetter, formatLetters, letterJson } from "../operator/dead-text.ts";
import { findGateway, refusalOf } from "../operator/gateway.ts";
import { operate, type Operation } from "../operator/operate.ts";
import { openContent, resubmit } from "../operator/resubmit.ts";
import { printable } from "../../adapters/terminal/printable.ts";
import { printJson, printLine } from "../../adapters/terminal/table.ts";
import { isUuid } from "../operator/users.ts";

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
  await operate({ servers: ["amqp"], secrets: false }, async (operation) => {
    const letters = await listLetters(await operation.amqp(), operation.queues, which, limit);
    if (options.json === true) printJson(letters.map(letterJson));
    else printLine(letters.length === 0 ? "there are no dead letters" : formatLetters(letters));
  });
}

function registerShow(dead: Command): void {
  dead
    .command("show")
    .description("show a dead letter and how its request stands")
    .argument("<id>")
    .option("--reveal", "also open the sealed content, which is a user's")
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

async function show(id: string, options: { reveal?: boolean; json?: boolean }): Promise<void> {
  const reveal = options.reveal === true;
  await operate({ servers: ["postgres", "amqp"], secrets: reveal }, async (operation) => {
    const letter = await requireLetter(await operation.amqp(), operation.queues, id);
    const standing = await standingOf(operation, id);
    const content = reveal ? contentOf(operation, letter) : undefined;
    if (options.json === true) {
      const { headers } = letter.message;
      const now = standing && { state: standing.state, billed_tokens: standing.billedTokens };
      const revealed = reveal ? { content } : {};
      printJson({ ...letterJson(letter), now: now ?? null, headers, ...revealed });
      return;
    }
    printLine(formatLetter(letter, standing));
    if (reveal) printJson(content);
  });
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

interface RetryOptions {
  model?: string;
  url?: string;
  json?: boolean;
}

function registerRetry(dead: Command): void {
  dead
    .command("retry")
    .description("try a dead letter again, after its cause is gone")
    .argument("<id>")
    .option("-m, --model <model>", "another model, for a new request")
    .option("--url <url>", "the gateway (default: TOLLGATE_URL, or the one of up)")
    .option("--json", "print {request_id, is_new}")
    .addHelpText(
      "after",
      `
What has ended stays as it ended. So the content is sent as a new request of the same user through the
gateway, with a hold and a bill of its own; its id is printed, and the letter is dropped. Repeating it after
an interruption makes no second request. Only if the request is still open does it get its message back.

Exit codes: 0 done, ${EXIT.failed} it cannot be retried, ${EXIT.usage} wrong use or not accepted,
${EXIT.notRunning} nothing is up, ${EXIT.refused} refused by the quota,
${EXIT.unreachable} a server cannot be reached.

Example:
  ./tollgate dead list --json | jq -r '.[].request_id' | xargs -n1 ./tollgate dead retry`,
    )
    .action(retry);
}

async function retry(id: string, options: RetryOptions): Promise<void> {
  const needs = { servers: ["postgres", "redis", "amqp"], secrets: true } as const;
  await operate(needs, async (operation) => {
    const letter = await requireLetter(await operation.amqp(), operation.queues, id);
    const plan = planRetry(letter, await standingOf(operation, id));
    switch (plan.kind) {
      case "impossible":
        throw new CommandFailure(
          `the letter ${id} cannot be retried: ${plan.reason}; forget it with ./tollgate dead drop ${id}`,
        );
      case "give-back":
        return giveBack(
          operation,
          letter,
          plan.to === "requests" ? encodeRequest(plan.request) : encodeResult(plan.result),
          options,
        );
      case "send-anew":
        return sendAnew(operation, plan.request, options);
    }
  });
}

/** The message goes back to where it came from: published and confirmed first, so that it is never lost. */
async function giveBack(
  { amqp, queues, config }: Operation,
  { queue, message }: DeadLetter,
  outgoing: OutgoingMessage,
  { json }: RetryOptions,
): Promise<void> {
  const connection = await amqp();
  const target = (queue === "requests" ? queues.requests : queues.results).name;
  const publisher = createPublisher(connection, {
    channels: 1,
    messagesMax: 1,
    bytesMax: Math.max(1, message.body.byteLength),
    confirmTimeoutMs: config.amqp.confirm_timeout_ms,
  });
  const { messageId: id } = outgoing;
  try {
    const taken = await takeOne(connection, queueNameOf(queues, queue), id, {
      limit: LOOK_MAX,
      move: () => publisher.publish(target, outgoing),
    });
    if (!taken) throw new CommandFailure(`the letter ${id} has just been taken by somebody else`);
  } finally {
    await publisher.close();
  }
  if (json === true) printJson({ request_id: id, is_new: false });
  else printLine(`the request ${id} is still open: its message is back in ${target}`);
}

async function sendAnew(
  operation: Operation,
  request: QueuedRequest,
  { model, url, json }: RetryOptions,
): Promise<void> {
  const { requestId: id } = request.head;
  const reply = await resubmit(
    operation,
    findGateway(url, process.env, operation.up),
    request,
    model,
  );
  if (reply.kind === "refused") throw refusalOf(reply);
  await dropLetters(await operation.amqp(), operation.queues, id);
  const { request_id: newId } = reply.accepted;
  if (json === true) printJson({ request_id: newId, is_new: true });
  else printLine(`${id} stays as it ended; its content is the new request ${newId}`);
}

interface DropOptions {
  all?: boolean;
  queue?: string;
  yes?: boolean;
}

function registerDrop(dead: Command): void {
  dead
    .command("drop")
    .description("forget a dead letter, or all; how its request ended stays stored")
    .argument("[id]")
    .option("--all", "every letter, those without an id too")
    .option("--queue <queue>", "with --all: requests or results only")
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
  await operate({ servers: ["amqp"], secrets: false }, async (operation) => {
    if (id === undefined) return dropAll(operation, which, options.yes === true);
    const dropped = await dropLetters(await operation.amqp(), operation.queues, id);
    if (dropped === 0)
      throw new CommandFailure(`there is no dead letter ${id}: see ./tollgate dead list`);
    printLine(printable(`the letter ${id} is dropped`));
  });
}

async function dropAll(
  operation: Operation,
  which: readonly DeadQueue[],
  isAgreed: boolean,
): Promise<void> {
  const { queues } = operation;
  const amqp = await operation.amqp();
  const count = await countLetters(amqp, queues, which);
  if (count > 0 && !isAgreed) confirmDrop(count);
  printLine(`${await dropAllLetters(amqp, queues, which)} dead letters are dropped`);
}

function confirmDrop(count: number): void {
  if (!process.stdin.isTTY)
    throw new CommandFailure(
      `--all drops ${count} dead letters: add --yes to say that you mean it`,
      {
        exitCode: EXIT.usage,
      },
    );
  const answer = prompt(`Drop ${count} dead letters for good? [y/N]`);
  if (!/^y(es)?$/i.test(answer ?? "")) throw new CommandFailure("nothing was dropped");
}
