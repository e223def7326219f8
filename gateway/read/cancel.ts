import { CANCELLED } from "../../core/attempt/arrival.ts";
import { Fault } from "../../core/faults.ts";
import { settlementOf } from "../../core/request/finish.ts";
import { isTerminal, type TerminalState } from "../../core/request/request.ts";
import type { RequestRef } from "../../core/request/stored-request.ts";
import type { GatewayPorts } from "../ports.ts";
import { NO_HINTS, type RequestView } from "./request-view.ts";
import type { OwnRef } from "./standings.ts";
import type { StatusReader } from "./status.ts";

type Ports = Pick<
  GatewayPorts,
  | "log"
  | "now"
  | "markCancelled"
  | "announceCancel"
  | "readHints"
  | "finishRequests"
  | "deleteParked"
  | "settle"
  | "announceFinished"
>;

/**
 * Cancels a request and returns how it stands: `cancelled` when it has ended so within `waitMs`, otherwise
 * its present state while the worker that executes it breaks off.
 *
 * @throws {Fault} REQUEST_UNKNOWN, also for somebody else's id; REQUEST_TERMINAL when it has ended, before
 *   or meanwhile; QUOTA_UNAVAILABLE or STORE_UNAVAILABLE, after which the cancel may be asked for again
 */
export type Cancel = (lookup: OwnRef, waitMs: number, signal: AbortSignal) => Promise<RequestView>;

const tooLate = (requestId: string, state: TerminalState): Fault =>
  new Fault("REQUEST_TERMINAL", `the request has already ended: it is ${state}`, {
    extensions: { request_id: requestId, state },
  });

/**
 * Who ends a cancelled request is decided by the order of mark and look. The worker reads the mark and
 * notes its start in one step, so of a start and a mark one always sees the other: no start after the mark
 * means that no worker executes the request and none will, and the gateway ends it at once: no token is
 * billed, and what was executed before, and failed, counts. A start means that a worker has it: it breaks
 * off the call and its result says what was used. A worker that could not note its start (Redis was away) is
 * the one that is not seen: its result comes after the end and is discarded, to the caller's advantage.
 * Whatever happens at the same time, the compare-and-set in PostgreSQL lets one end count.
 */
export function createCancel(ports: Ports, status: StatusReader): Cancel {
  async function endUnstarted(lookup: RequestRef, attempts: number): Promise<void> {
    const { requestId } = lookup;
    const [reply] = await ports.finishRequests([
      {
        requestId,
        state: "cancelled",
        attempts,
        startedAtMs: null,
        completedAtMs: ports.now(),
        usage: null,
        error: CANCELLED,
        result: null,
      },
    ]);
    if (reply === undefined || reply === "unknown" || !reply.moved) return;
    // Or it would take a turn of its user's, with which the dispatcher then does nothing.
    await ports.deleteParked([requestId]).catch((error: unknown) => {
      ports.log.warn({ err: error, request_id: requestId }, "a cancelled request is still parked");
    });
    await ports
      .settle([settlementOf(reply)])
      .then(() => ports.announceFinished([requestId]))
      .catch((error: unknown) => {
        ports.log.warn(
          { err: error, request_id: requestId },
          "a cancelled request is not settled; the keeper will release its hold",
        );
      });
  }

  return async (lookup, waitMs, signal) => {
    const { requestId } = lookup;
    const before = await status.read(lookup);
    if (isTerminal(before.state)) throw tooLate(requestId, before.state);

    const ref = { requestId, userId: lookup.userId };
    await ports.markCancelled(ref);
    const [hints = NO_HINTS] = await ports.readHints([ref]);
    const isStarted = hints.started !== undefined;
    if (!isStarted) await endUnstarted(ref, hints.attemptsMade);
    // Also after an end of our own: a worker that has it waiting, or runs it unseen, need not go on.
    await ports.announceCancel(requestId).catch((error: unknown) => {
      ports.log.warn({ err: error, request_id: requestId }, "cannot tell the worker of a cancel");
    });
    const after = isStarted
      ? await status.readAfter(lookup, waitMs, signal)
      : await status.read(lookup);
    if (isTerminal(after.state) && after.state !== "cancelled")
      throw tooLate(requestId, after.state);
    return after;
  };
}
