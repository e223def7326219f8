import type { Act, OperatorAction } from "../../adapters/postgres/operator-actions.ts";
import type { OpenRequest } from "../../adapters/postgres/search-requests.ts";
import { type Finish, type FinishReply, settlementOf } from "../../core/request/finish.ts";
import type { AttemptHints } from "../../core/attempt/start.ts";
import type { Settlement } from "../../core/quota/quota.ts";
import type { RequestError } from "../../core/request/request.ts";
import type { RequestRef } from "../../core/request/stored-request.ts";

/** What a cancel reads and writes. */
export interface CancelPorts {
  now: () => number;
  noteActions: (actions: readonly OperatorAction[]) => Promise<void>;
  /** In order. */
  readHints: (
    requests: readonly RequestRef[],
  ) => Promise<Pick<AttemptHints, "started" | "attemptsMade">[]>;
  markCancelled: (request: RequestRef) => Promise<void>;
  announceCancel: (requestId: string) => Promise<void>;
  finishRequests: (finishes: readonly Finish[]) => Promise<FinishReply[]>;
  settle: (settlements: readonly Settlement[]) => Promise<unknown>;
  announceFinished: (requestIds: readonly string[]) => Promise<void>;
  deleteParked: (requestIds: readonly string[]) => Promise<void>;
}

/** Who cancels, and what for. */
export interface CancelOrder extends Act {
  /** Noted with each request: what was asked for. */
  detail: Readonly<Record<string, unknown>>;
  /** `waiting`: a request that a worker executes is let go on. `running`: only those. */
  which: "all" | "waiting" | "running";
}

/** What became of some requests. */
export interface CancelCounts {
  /** Ended as cancelled, without tokens to bill. */
  cancelled: number;
  /** Told to break off; they end as cancelled, billed for what was used. */
  stopping: number;
  /** Left alone, because of `which`. */
  spared: number;
  /** They had ended meanwhile. */
  ended: number;
}

export const NOTHING_CANCELLED: CancelCounts = { cancelled: 0, stopping: 0, spared: 0, ended: 0 };

export const CANCELLED_BY_OPERATOR: RequestError = {
  code: "CANCELLED",
  message: "the request was cancelled by an operator",
};

/**
 * Cancels open requests, as `POST /requests/{id}/cancel` does one: mark, look, end. The worker reads the mark
 * and notes its start in one step, so no start after the mark means that no worker executes the request and
 * none will: it is ended here. A start means that a worker has it: it breaks off the call, and its result
 * says what was used. The compare-and-set in PostgreSQL lets one end count, whoever comes first.
 *
 * What was asked for is noted before it is done. If it fails half way, it may be called again.
 *
 * @throws {Fault} STORE_UNAVAILABLE, QUOTA_UNAVAILABLE
 */
export async function cancelRequests(
  ports: CancelPorts,
  requests: readonly OpenRequest[],
  order: CancelOrder,
): Promise<CancelCounts> {
  const meant = await chosen(ports, requests, order.which);
  const spared = requests.length - meant.length;
  if (meant.length === 0) return { ...NOTHING_CANCELLED, spared };
  await ports.noteActions(meant.map((request) => actionOf(request, order)));
  await Promise.all(meant.map(ports.markCancelled));
  const hints = await ports.readHints(meant);
  const waiting = meant.filter((_, index) => hints[index]?.started === undefined);
  const attempts = new Map(
    meant.map(({ requestId }, index) => [requestId, hints[index]?.attemptsMade ?? 0]),
  );
  const cancelled = await endWaiting(ports, waiting, attempts);
  // Also after an end of our own: a worker that has it waiting, or runs it unseen, need not go on.
  await Promise.all(meant.map(({ requestId }) => ports.announceCancel(requestId)));
  await ports.deleteParked(waiting.map(({ requestId }) => requestId));
  const stopping = meant.length - waiting.length;
  return { cancelled, stopping, spared, ended: waiting.length - cancelled };
}

async function chosen(
  ports: CancelPorts,
  requests: readonly OpenRequest[],
  which: CancelOrder["which"],
): Promise<readonly OpenRequest[]> {
  if (which === "all" || requests.length === 0) return requests;
  const hints = await ports.readHints(requests);
  return requests.filter(
    (_, index) => (hints[index]?.started === undefined) === (which === "waiting"),
  );
}

function actionOf(
  { requestId, userId, model }: OpenRequest,
  { actor, reason, detail }: CancelOrder,
): OperatorAction {
  const about = { user_id: userId, model, ...detail };
  return { actor, reason, action: "request.cancel", target: requestId, detail: about };
}

/** Ends and settles what no worker executes; returns how many of them this call ended. */
async function endWaiting(
  ports: CancelPorts,
  waiting: readonly OpenRequest[],
  attempts: ReadonlyMap<string, number>,
): Promise<number> {
  if (waiting.length === 0) return 0;
  const completedAtMs = ports.now();
  const replies = await ports.finishRequests(
    waiting.map(({ requestId }) => ({
      requestId,
      state: "cancelled",
      attempts: attempts.get(requestId) ?? 0,
      startedAtMs: null,
      completedAtMs,
      usage: null,
      error: CANCELLED_BY_OPERATOR,
      result: null,
    })),
  );
  const known = replies.filter((reply) => reply !== "unknown");
  // Those that had ended before too: whoever ended them may have died before the settle, which is idempotent.
  await ports.settle(known.map(settlementOf));
  const moved = known.flatMap((reply) => (reply.moved ? [reply.requestId] : []));
  await ports.announceFinished(moved);
  return moved.length;
}

export const sumOf = (a: CancelCounts, b: CancelCounts): CancelCounts => ({
  cancelled: a.cancelled + b.cancelled,
  stopping: a.stopping + b.stopping,
  spared: a.spared + b.spared,
  ended: a.ended + b.ended,
});
