import { lookThrough, purge, queueDepths, takeOne } from "../../adapters/amqp/inspect.ts";
import type { AmqpConnection } from "../../adapters/amqp/connection.ts";
import { decodeMessage, type IncomingMessage } from "../../adapters/amqp/messages.ts";
import { type Refusal, REFUSALS, type Signatures } from "../../adapters/amqp/signatures.ts";
import type { Topology } from "../../adapters/amqp/topology.ts";
import type { QueuedRequest, QueuedResult } from "../../core/request/messages.ts";
import type { RequestHead } from "../../core/request/request.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import type { Operation } from "../operator/operate.ts";
import type { RequestStanding } from "../../core/request/stored-request.ts";

export const DEAD_QUEUES = ["requests", "results"] as const;
export type DeadQueue = (typeof DEAD_QUEUES)[number];

/** How many letters of a queue are looked through for one of them. */
export const LOOK_MAX = 10_000;

/** A dead letter, read. */
export interface DeadLetter {
  queue: DeadQueue;
  /** null: it names no request, so that it can only be dropped along with all others. */
  id: string | null;
  message: IncomingMessage;
  content: LetterContent;
  /** Why it is there, as far as its headers say. */
  error: { code: string; message: string } | null;
}

type LetterContent =
  | { kind: "request"; head: RequestHead; attempts: number; request: QueuedRequest }
  | { kind: "result"; head: RequestHead; attempts: number; result: QueuedResult }
  | { kind: "unreadable"; why: "unreadable" | Refusal; reason: string };

/** The queues of dead letters, and what tells ours from those of strangers. */
export interface LetterBox {
  amqp: AmqpConnection;
  queues: Topology;
  signatures: Pick<Signatures, "refusalOf">;
}

export const letterBox = async ({
  amqp,
  queues,
  signatures,
}: Pick<Operation, "amqp" | "queues" | "signatures">): Promise<LetterBox> => ({
  amqp: await amqp(),
  queues,
  signatures: signatures(),
});

export const queueNameOf = (queues: Topology, queue: DeadQueue): string =>
  (queue === "requests" ? queues.requestsDead : queues.resultsDead).name;

/** @throws {CommandFailure} when it is neither queue; absent means both */
export function parseDeadQueues(text: string | undefined): DeadQueue[] {
  if (text === undefined) return [...DEAD_QUEUES];
  const found = DEAD_QUEUES.filter((queue) => queue === text);
  if (found.length > 0) return found;
  throw new CommandFailure(`there is no --queue ${text}: there are ${DEAD_QUEUES.join(" and ")}`, {
    exitCode: EXIT.usage,
  });
}

export function readLetter(
  { signatures }: Pick<LetterBox, "signatures">,
  queue: DeadQueue,
  message: IncomingMessage,
): DeadLetter {
  const { messageId, headers } = message;
  const { error_code: code, error_message: text } = headers;
  return {
    queue,
    id: typeof messageId === "string" && messageId !== "" ? messageId : null,
    message,
    content: readContent(message, signatures.refusalOf(message)),
    error:
      typeof code === "string" ? { code, message: typeof text === "string" ? text : "" } : null,
  };
}

function readContent(message: IncomingMessage, refusal: Refusal | undefined): LetterContent {
  if (refusal !== undefined) return { kind: "unreadable", why: refusal, reason: REFUSALS[refusal] };
  const decoded = decodeMessage(message);
  if (!decoded.ok) {
    const { reason } = decoded;
    return { kind: "unreadable", why: "unreadable", reason };
  }
  if (decoded.kind === "request") {
    const { request } = decoded;
    return { kind: "request", head: request.head, attempts: request.attempt, request };
  }
  const { result } = decoded;
  return { kind: "result", head: result.head, attempts: result.attempts, result };
}

/** The oldest letters of both queues or one, at most `limit` of each. A queue that is not there is empty. */
export async function listLetters(
  box: LetterBox,
  which: readonly DeadQueue[],
  limit: number,
): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  await lookAtLetters(box, which, limit, (letter) => letters.push(letter));
  return letters;
}

/** The first letter of that id. @throws {CommandFailure} when there is none */
export async function requireLetter(box: LetterBox, id: string): Promise<DeadLetter> {
  let found: DeadLetter | undefined;
  await lookAtLetters(box, DEAD_QUEUES, LOOK_MAX, (letter) => {
    if (letter.id === id) found ??= letter;
  });
  if (found !== undefined) return found;
  throw new CommandFailure(`there is no dead letter ${id}: see ./tollgate dead list`);
}

/** Shows the first letters of both queues or one, at most `limit` of each, without keeping them. */
export async function lookAtLetters(
  box: LetterBox,
  which: readonly DeadQueue[],
  limit: number,
  look: (letter: DeadLetter) => unknown,
): Promise<void> {
  for (const queue of await presentQueues(box, which))
    await lookThrough(box.amqp, queueNameOf(box.queues, queue), { limit }, (message) =>
      look(readLetter(box, queue, message)),
    );
}

/**
 * The queues that are there; asking another would be an error. Not those that hold something: for some
 * milliseconds the broker does not count what has just been looked at and put back.
 */
export async function presentQueues(
  { amqp, queues }: Pick<LetterBox, "amqp" | "queues">,
  which: readonly DeadQueue[],
): Promise<DeadQueue[]> {
  const nameOf = (queue: DeadQueue): string => queueNameOf(queues, queue);
  const depths = await queueDepths(amqp, which.map(nameOf));
  return which.filter((queue) => depths.get(nameOf(queue)) !== null);
}

/** Drops every copy of a letter: a request may have left several. Returns how many there were. */
export async function dropLetters(
  { amqp, queues }: Pick<LetterBox, "amqp" | "queues">,
  id: string,
): Promise<number> {
  let dropped = 0;
  for (const queue of await presentQueues({ amqp, queues }, DEAD_QUEUES)) {
    const name = queueNameOf(queues, queue);
    while (dropped < LOOK_MAX && (await takeOne(amqp, name, id, { limit: LOOK_MAX }))) dropped += 1;
  }
  return dropped;
}

/** Drops all letters that no one else is looking at; returns how many there were. */
export async function dropAllLetters(
  amqp: AmqpConnection,
  queues: Topology,
  which: readonly DeadQueue[],
): Promise<number> {
  let dropped = 0;
  for (const queue of await presentQueues({ amqp, queues }, which))
    dropped += await purge(amqp, queueNameOf(queues, queue));
  return dropped;
}

export async function countLetters(
  amqp: AmqpConnection,
  queues: Topology,
  which: readonly DeadQueue[],
): Promise<number> {
  const depths = await queueDepths(
    amqp,
    which.map((queue) => queueNameOf(queues, queue)),
  );
  return [...depths.values()].reduce((sum, depth) => sum + (depth?.ready ?? 0), 0);
}

/**
 * What trying a letter again means. A terminal state never changes (guarantee I5), so the content of a
 * request that has ended can only be sent as a new one, with a hold and a bill of its own. One that is still
 * open takes its message back.
 */
export type RetryPlan =
  | { kind: "give-back"; to: "requests"; request: QueuedRequest }
  | { kind: "give-back"; to: "results"; result: QueuedResult }
  | { kind: "send-anew"; request: QueuedRequest }
  | { kind: "impossible"; reason: string };

/** `standing` undefined: PostgreSQL does not know the request (past its retention, or an older restore). */
export function planRetry(
  { content }: Pick<DeadLetter, "content">,
  standing: RequestStanding | undefined,
): RetryPlan {
  const isOpen = standing?.state === "queued";
  switch (content.kind) {
    case "unreadable": {
      const what = content.why === "unreadable" ? "it cannot be read" : "it is not believed";
      return { kind: "impossible", reason: `${what} (${content.reason})` };
    }
    case "request":
      return isOpen
        ? { kind: "give-back", to: "requests", request: { ...content.request, attempt: 1 } }
        : { kind: "send-anew", request: content.request };
    case "result":
      if (isOpen) return { kind: "give-back", to: "results", result: content.result };
      return {
        kind: "impossible",
        reason:
          standing === undefined
            ? "it is the result of a request that PostgreSQL does not know"
            : `it is the result of a request that has ended as ${standing.state}, which stays so`,
      };
  }
}
