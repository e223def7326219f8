import { encodeResult } from "../../adapters/amqp/messages.ts";
import { createPublisher, type Publisher } from "../../adapters/amqp/publisher.ts";
import { standings } from "../../adapters/postgres/open-requests.ts";
import { noteActions } from "../../adapters/postgres/operator-actions.ts";
import { parkRequests } from "../../adapters/postgres/parked.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import type { QueuedRequest, QueuedResult } from "../../core/request/messages.ts";
import type { RequestStanding } from "../../core/request/stored-request.ts";
import { refusalOf } from "../operator/gateway.ts";
import type { Operation } from "../operator/operate.ts";
import { isUuid } from "../operator/users.ts";
import { type DeadLetter, planRetry } from "./dead-letters.ts";
import type { Resubmitter } from "./resubmit.ts";

/** What became of a dead letter that was tried again; the letter goes when it was `new` or `same`. */
export type Retried =
  /** Its request has ended and stays so: its content is a new request. */
  | { kind: "new"; newId: string }
  /** Its request is open and goes on under its id. */
  | { kind: "same" }
  /** The gateway did not accept it now. */
  | { kind: "refused"; failure: CommandFailure; isQuota: boolean }
  | { kind: "impossible"; reason: string };

export interface RetryOrder {
  actor: string;
  /** Another model, for new requests. */
  toModel: string | undefined;
}

/** What a retry does, so that it can be tried without servers. */
export interface RetryPorts {
  standing: (id: string) => Promise<RequestStanding | undefined>;
  /** The request waits for its turn again. */
  giveBack: (request: QueuedRequest) => Promise<void>;
  giveBackResult: (result: QueuedResult) => Promise<void>;
  send: Resubmitter["send"];
  note: (target: string, detail: Readonly<Record<string, unknown>>) => Promise<void>;
}

/**
 * Tries one letter again. The letter itself is left to the caller, who takes it away afterwards: what is
 * repeated after an interruption makes no second request.
 *
 * @throws {CommandFailure} when no gateway answers
 * @throws {Fault} when a server does not
 */
export async function retryLetter(
  ports: RetryPorts,
  letter: DeadLetter,
  toModel: string | undefined,
): Promise<Retried> {
  const { id } = letter;
  const plan = planRetry(letter, id === null ? undefined : await ports.standing(id));
  if (id === null || plan.kind === "impossible")
    return {
      kind: "impossible",
      reason: plan.kind === "impossible" ? plan.reason : "it has no id",
    };
  if (plan.kind === "give-back") {
    if (plan.to === "requests") await ports.giveBack(plan.request);
    else await ports.giveBackResult(plan.result);
    await ports.note(id, { under: "the same id" });
    return { kind: "same" };
  }
  const sent = await sendAnew(ports, plan.request, toModel);
  if (sent.kind === "new") await ports.note(id, { under: sent.newId });
  return sent;
}

async function sendAnew(
  { send }: RetryPorts,
  request: QueuedRequest,
  toModel: string | undefined,
): Promise<Retried> {
  try {
    const reply = await send(request, toModel);
    if (reply.kind === "accepted") return { kind: "new", newId: reply.accepted.request_id };
    const failure = refusalOf(reply);
    // The gateway cannot work: that is about no letter in particular.
    if (failure.exitCode === EXIT.unreachable) throw failure;
    return { kind: "refused", failure, isQuota: failure.exitCode === EXIT.refused };
  } catch (error) {
    if (!(error instanceof CommandFailure) || error.exitCode === EXIT.unreachable) throw error;
    return { kind: "impossible", reason: error.message };
  }
}

/** What a retry needs of an operation's servers. */
export function retryPorts(
  operation: Operation,
  resubmitter: Pick<Resubmitter, "send">,
  { actor }: Pick<RetryOrder, "actor">,
): { ports: RetryPorts; close: () => Promise<void> } {
  const { database, queues, config } = operation;
  let publisher: Publisher | undefined;

  async function publisherOf(): Promise<Publisher> {
    publisher ??= createPublisher(await operation.amqp(), {
      channels: 1,
      messagesMax: 1,
      // One at a time, however long.
      bytesMax: 1,
      confirmTimeoutMs: config.amqp.confirm_timeout_ms,
      signatures: operation.signatures(),
    });
    return publisher;
  }

  const ports: RetryPorts = {
    standing: async (id) => (isUuid(id) ? (await standings(database, [id]))[0] : undefined),
    giveBack: async (request) => {
      await parkRequests(database, [request]);
      const { model, userId } = request.head;
      const { announceParked } = await operation.signals();
      await announceParked([{ model, userId, priority: request.priority ?? "normal" }]);
    },
    giveBackResult: async (result) => {
      await (await publisherOf()).publish(queues.results.name, encodeResult(result));
    },
    send: resubmitter.send,
    note: (target, detail) =>
      noteActions(database, [{ actor, action: "dead.retry", target, detail }]),
  };
  return { ports, close: async () => publisher?.close() };
}
