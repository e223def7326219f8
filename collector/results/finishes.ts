import { type Finish, type FinishReply, settlementOf } from "../../core/request/finish.ts";
import type { Settlement } from "../../core/quota/quota.ts";
import type { RequestError, TokenUsage } from "../../core/request/request.ts";
import type { DecodedDelivery } from "../ports.ts";

export const WORKER_CRASHED: RequestError = {
  code: "WORKER_CRASHED",
  message: "workers crashed on this request again and again",
};
const PAYLOAD_UNREADABLE: RequestError = {
  code: "PAYLOAD_UNREADABLE",
  message: "the message of the request could not be read by any worker",
};
const RESULT_UNREADABLE: RequestError = {
  code: "RESULT_UNREADABLE",
  message: "a worker ended the request but its result could not be stored",
};

/**
 * Far above any model's context: a count beyond it is an error of the ML service. Two of them still fit 32
 * bits.
 */
export const TOKENS_MAX = 1_000_000_000;

/** Far above any `retry.attempts_max`, and fits 32 bits. */
const EXECUTIONS_MAX = 1_000_000;

/** Returns what a delivery ends, or null when it does not even name a request. */
export function finishOf(decoded: DecodedDelivery, nowMs: number): Finish | null {
  switch (decoded.kind) {
    case "result": {
      const { head, ...end } = decoded.result;
      const { state, usage, result } = end;
      // What expired was not executed, whatever the message says.
      const wasExecuted = state !== "expired";
      return {
        ...end,
        requestId: head.requestId,
        attempts: wasExecuted ? Math.min(end.attempts, EXECUTIONS_MAX) : 0,
        usage: usage !== null && wasExecuted ? clampUsage(usage) : null,
        result: state === "completed" ? result : null,
      };
    }
    case "poisoned-request": {
      const { head, attempt } = decoded.request;
      return failure(head.requestId, WORKER_CRASHED, nowMs, attempt);
    }
    case "newer":
      throw new Error("a message of a newer version must not get into a batch");
    case "unreadable": {
      const { requestId, what } = decoded;
      if (requestId === undefined) return null;
      return what === "request"
        ? failure(requestId, PAYLOAD_UNREADABLE, nowMs, 0)
        : unreadableFinish(requestId, nowMs, 0);
    }
  }
}

/**
 * The end of a request whose result cannot be stored: no token is billed for what the caller never gets, but
 * the executions count where they are known.
 */
export function unreadableFinish(requestId: string, nowMs: number, attempts: number): Finish {
  return failure(requestId, RESULT_UNREADABLE, nowMs, attempts);
}

function failure(requestId: string, error: RequestError, nowMs: number, attempts: number): Finish {
  return {
    requestId,
    state: "failed",
    attempts: Math.min(attempts, EXECUTIONS_MAX),
    startedAtMs: null,
    completedAtMs: nowMs,
    usage: null,
    error,
    result: null,
  };
}

/**
 * Makes of token counts whole numbers that can be billed: they come from outside, and a bill must never be
 * negative.
 */
export function clampUsage(usage: TokenUsage): TokenUsage {
  const { cachedTokens, reasoningTokens } = usage;
  const promptTokens = clampTokens(usage.promptTokens);
  const completionTokens = clampTokens(usage.completionTokens);
  return {
    promptTokens,
    completionTokens,
    ...(cachedTokens && { cachedTokens: Math.min(clampTokens(cachedTokens), promptTokens) }),
    ...(reasoningTokens && {
      reasoningTokens: Math.min(clampTokens(reasoningTokens), completionTokens),
    }),
    source: usage.source,
  };
}

function clampTokens(tokens: number): number {
  return Number.isNaN(tokens) ? 0 : Math.min(Math.max(Math.trunc(tokens), 0), TOKENS_MAX);
}

/**
 * Returns what Redis has to be told about ended requests. Those that had ended before are settled again,
 * because whoever ended them may have died before the settle. Settling is idempotent, and the amount comes
 * from the ledger, so all say the same.
 */
export function settlementsOf(replies: readonly FinishReply[]): Settlement[] {
  return replies.flatMap((reply) => (reply === "unknown" ? [] : [settlementOf(reply)]));
}
