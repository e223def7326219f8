import type { Command } from "commander";

import { siftQueue } from "../../adapters/amqp/inspect.ts";
import { requireYes } from "../../adapters/terminal/confirm.ts";
import { createCountProgress } from "../../adapters/terminal/count-progress.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import { formatCount, printJson, printLine } from "../../adapters/terminal/table.ts";
import {
  type DeadQueue,
  dropLetters,
  presentQueues,
  letterBox,
  lookAtLetters,
  LOOK_MAX,
  parseDeadQueues,
  queueNameOf,
  readLetter,
  requireLetter,
} from "../dead/dead-letters.ts";
import { fitsFilter, type LetterFilter } from "../dead/letter-filter.ts";
import { createResubmitter } from "../dead/resubmit.ts";
import { createRetryAll, describeRetried, type RetriedLetters } from "../dead/retry-all.ts";
import { type RetryPorts, retryLetter, retryPorts } from "../dead/retry-letter.ts";
import { ACTOR_OPTION, actorOf } from "../operator/actor.ts";
import { findGateway } from "../operator/gateway.ts";
import { operate, type Operation } from "../operator/operate.ts";
import {
  describeFilter,
  FILTER_OPTIONS,
  type FilterOptions,
  readFilter,
} from "../requests/filter.ts";

interface RetryOptions extends FilterOptions {
  all?: boolean;
  code?: string;
  queue?: string;
  toModel?: string;
  url?: string;
  actor?: string;
  yes?: boolean;
  json?: boolean;
}

/** One key for all letters of a user, made again before it ends. */
const BULK_KEY_LIFE_MS = 600_000;
/** Below RabbitMQ's own consumer_timeout, after which it takes back what was looked at. */
const BULK_LIMIT_MS = 1_500_000;

export function registerRetry(dead: Command): void {
  dead
    .command("retry")
    .description("try a dead letter again, or all of a kind, after the cause is gone")
    .argument("[id]")
    .option("--all", "every letter")
    .option(...FILTER_OPTIONS.user)
    .option(...FILTER_OPTIONS.model)
    .option(...FILTER_OPTIONS.olderThan)
    .option("--code <code>", "that failed with this code, such as UPSTREAM_TIMEOUT")
    .option("--queue <queue>", "requests or results only")
    .option("--to-model <model>", "another model, for the new requests")
    .option("--url <url>", "the gateway (default: TOLLGATE_URL, or the one of up)")
    .option(...ACTOR_OPTION)
    .option("-y, --yes", "of many: do not ask")
    .option("--json", "print {request_id, is_new}; of many, what became of each")
    .addHelpText(
      "after",
      `
What has ended stays as it ended. So the content is sent as a new request of the same user through the
gateway, with a hold and a bill of its own; its id is printed, and the letter is dropped. Repeating it after
an interruption makes no second request. Only if the request is still open does it go on, under its own id,
and waits for its turn again. Of many letters those that are refused or cannot be retried are kept.

Exit codes: 0 done, ${EXIT.failed} it, or one of many, cannot be retried, or none matches,
${EXIT.usage} wrong use or not accepted, ${EXIT.notRunning} nothing is up,
${EXIT.refused} refused by the quota, ${EXIT.unreachable} a server cannot be reached.

Examples:
  ./tollgate dead retry 01980f6e-8a3e-7000-8000-3f1d5b0c9a11
  ./tollgate dead retry --model sim-chat --code UPSTREAM_TIMEOUT
  ./tollgate dead retry --all --to-model sim-json --yes`,
    )
    .action(retry);
}

async function retry(id: string | undefined, options: RetryOptions): Promise<void> {
  requireOneWay(id, options);
  const which = parseDeadQueues(options.queue);
  const needs = {
    servers: ["postgres", "redis", "amqp"],
    secrets: ["encryptionKeys", "keyPepper"],
  } as const;
  await operate(needs, async (operation) => {
    const gateway = findGateway(options.url, process.env, operation.up);
    const keyLifeMs = id === undefined ? BULK_KEY_LIFE_MS : undefined;
    const resubmitter = createResubmitter(operation, gateway, keyLifeMs);
    const { ports, close } = retryPorts(operation, resubmitter, { actor: actorOf(options.actor) });
    try {
      if (id === undefined) await retryMany(operation, ports, which, options);
      else await retryOne(operation, ports, id, options);
    } finally {
      await close();
      await resubmitter.close();
    }
  });
}

/** @throws {CommandFailure} unless one letter is named, or which of many */
function requireOneWay(id: string | undefined, options: RetryOptions): void {
  const { all, user, model, olderThan, code, queue } = options;
  const isFiltered = [user, model, olderThan, code, queue].some((value) => value !== undefined);
  const isMany = all === true || isFiltered;
  if (isMany !== (id !== undefined)) return;
  const what = isMany
    ? "give either an id or what many have in common (to send it to another model: --to-model)"
    : "say what to retry: an id, --all, or --user, --model, --older-than, --code, --queue";
  throw new CommandFailure(what, { exitCode: EXIT.usage });
}

async function retryOne(
  operation: Operation,
  ports: RetryPorts,
  id: string,
  { toModel, json }: RetryOptions,
): Promise<void> {
  const box = await letterBox(operation);
  const letter = await requireLetter(box, id);
  const retried = await retryLetter(ports, letter, toModel);
  switch (retried.kind) {
    case "refused":
      throw retried.failure;
    case "impossible":
      throw new CommandFailure(
        `the letter ${id} cannot be retried: ${retried.reason}; forget it with ./tollgate dead drop ${id}`,
      );
    case "same":
      await dropLetters(box, id);
      if (json === true) printJson({ request_id: id, is_new: false });
      else printLine(`the request ${id} is still open: it waits for its turn again`);
      return;
    case "new":
      await dropLetters(box, id);
      if (json === true) printJson({ request_id: retried.newId, is_new: true });
      else printLine(`${id} stays as it ended; its content is the new request ${retried.newId}`);
  }
}

async function retryMany(
  operation: Operation,
  ports: RetryPorts,
  which: readonly DeadQueue[],
  options: RetryOptions,
): Promise<void> {
  const filter = await letterFilter(operation, options);
  const count = await countFitting(operation, which, filter);
  const kind = `${describeFilter(options)}${options.code === undefined ? "" : ` with ${options.code}`}`;
  if (count === 0) throw new CommandFailure(`nothing matches: there is no dead letter${kind}`);
  requireYes(
    options.yes === true,
    `retry ${formatCount(count, "dead letter")}${kind}: what has ended becomes new requests, with bills`,
  );
  const outcome = await retryEach(operation, ports, which, { filter, count, options });
  if (options.json === true) printJson(outcome);
  else printLine(describeRetried(outcome));
  if (outcome.refused.length + outcome.impossible.length > 0) process.exitCode = EXIT.failed;
}

async function letterFilter({ database }: Operation, options: RetryOptions): Promise<LetterFilter> {
  const { userId, model, olderThanMs } = await readFilter(database, options);
  const acceptedBeforeMs = olderThanMs === undefined ? undefined : Date.now() - olderThanMs;
  return { userId, model, acceptedBeforeMs, code: options.code };
}

async function countFitting(
  operation: Operation,
  which: readonly DeadQueue[],
  filter: LetterFilter,
): Promise<number> {
  let count = 0;
  await lookAtLetters(await letterBox(operation), which, LOOK_MAX, (letter) => {
    if (fitsFilter(letter, filter)) count += 1;
  });
  return count;
}

/** Walks through the queues once, trying what fits. What was done when it fails half way is done. */
async function retryEach(
  operation: Operation,
  ports: RetryPorts,
  which: readonly DeadQueue[],
  { filter, count, options }: { filter: LetterFilter; count: number; options: RetryOptions },
): Promise<RetriedLetters> {
  const box = await letterBox(operation);
  const progress = createCountProgress(process.stderr, count, "letters tried");
  const { sift, outcome } = createRetryAll(
    filter,
    (letter) => retryLetter(ports, letter, options.toModel),
    progress.at,
  );
  let failure: Error | undefined;
  try {
    for (const queue of await presentQueues(box, which)) {
      const bounds = { limit: LOOK_MAX, withinMs: BULK_LIMIT_MS };
      await siftQueue(box.amqp, queueNameOf(box.queues, queue), bounds, async (message) => {
        try {
          return await sift(readLetter(box, queue, message));
        } catch (error) {
          // Told afterwards as it is; within the channel it would pass for a fault of the broker.
          failure = error instanceof Error ? error : new Error(String(error));
          return "stop";
        }
      });
      if (failure !== undefined) break;
    }
  } finally {
    progress.end();
  }
  if (failure === undefined) return outcome;
  process.stderr.write(`tollgate: ${describeRetried(outcome).replaceAll("\n", "; ")}\n`);
  throw failure;
}
