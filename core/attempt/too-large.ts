import type { QueuedRequest, QueuedResult } from "../request/messages.ts";
import type { RequestError } from "../request/request.ts";

/** The end of a request whose result the queue refuses for its size. `why`: how large it is. */
export function resultTooLarge(why: string): RequestError {
  return { code: "MESSAGE_TOO_LARGE", message: `the result has ${why}` };
}

/**
 * The end of a request that the queue refuses for its size. The attempt that it stands for was not executed,
 * so of a first one nothing is billed.
 */
export function endTooLarge(
  { head, attempt }: Pick<QueuedRequest, "head" | "attempt">,
  why: string,
  nowMs: number,
): QueuedResult {
  return {
    head,
    state: "failed",
    attempts: attempt - 1,
    startedAtMs: null,
    completedAtMs: nowMs,
    usage: null,
    error: { code: "MESSAGE_TOO_LARGE", message: `the request has ${why}` },
    result: null,
  };
}
