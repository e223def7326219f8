import { isFaultCode } from "../../core/faults.ts";
import type { JsonText } from "../../core/json/json-text.ts";
import type { Waiting } from "../../core/queue/lane.ts";
import { isTerminal } from "../../core/request/request.ts";
import type { RequestView } from "../read/request-view.ts";
import type { StatusReply, WaitingReply } from "./schemas.ts";

const iso = (ms: number): string => new Date(ms).toISOString();

/** A `StatusReply` in which the parts that we did not write stand as they were written. */
export type WrittenReply = Omit<StatusReply, "result" | "metadata"> & {
  result?: JsonText;
  metadata?: JsonText;
};

/** A request as the API shows it. */
export function statusReply(view: RequestView): WrittenReply {
  return {
    request_id: view.requestId,
    status: view.state,
    model: view.model,
    ...(view.result === null ? {} : { result: view.result }),
    ...(view.errorCode === null
      ? {}
      : {
          error: {
            code: isFaultCode(view.errorCode) ? view.errorCode : "INTERNAL",
            message: view.errorMessage ?? "",
            ...(view.upstream === null ? {} : { upstream: view.upstream }),
          },
        }),
    tokens: {
      estimated: view.estimatedTokens,
      prompt: view.promptTokens,
      completion: view.completionTokens,
      total: view.totalTokens,
      refunded: isTerminal(view.state) ? view.estimatedTokens - (view.totalTokens ?? 0) : null,
    },
    ...(view.waiting === null ? {} : { waiting: waitingReply(view.waiting) }),
    attempts: view.attempts,
    ...(view.lastError === null ? {} : { last_error: view.lastError }),
    ...(view.nextAttemptAtMs === null ? {} : { next_attempt_at: iso(view.nextAttemptAtMs) }),
    created_at: iso(view.createdAtMs),
    ...(view.startedAtMs === null ? {} : { started_at: iso(view.startedAtMs) }),
    ...(view.completedAtMs === null ? {} : { completed_at: iso(view.completedAtMs) }),
    ...(view.metadata === null ? {} : { metadata: view.metadata }),
  };
}

/** Why a request has not started, as the API shows it. */
export function waitingReply({ reason, ahead, startsInSeconds, lastError }: Waiting): WaitingReply {
  return {
    reason,
    ahead,
    starts_in_seconds: startsInSeconds,
    ...(lastError === null ? {} : { last_error: lastError }),
  };
}
