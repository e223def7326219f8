import type { Settlement } from "../quota/quota.ts";
import type { LedgerSource, RequestError, TerminalState, TokenUsage } from "./request.ts";

/** How a request ended. Times are Unix milliseconds. */
export interface RequestEnd {
  state: TerminalState;
  /** Executions, the last one included; 0 when there was none. */
  attempts: number;
  startedAtMs: number | null;
  completedAtMs: number;
  /** What is billed; null: nothing, because there was no execution or each of them failed. */
  usage: TokenUsage | null;
  error: RequestError | null;
  /** Sealed `UpstreamWords`: what the ML service said of its failure; absent: nothing. */
  errorDetail?: Uint8Array;
  /** Sealed `InferenceResult`; null unless completed. */
  result: Uint8Array | null;
}

/**
 * Asks to end a request: its state moves if it is still queued, and the ledger gets its row if it was
 * executed.
 */
export interface Finish extends RequestEnd {
  requestId: string;
}

/**
 * What PostgreSQL says of a request after a `Finish`, whether or not that finish was the one that ended it.
 */
export interface Finished {
  requestId: string;
  /** True when this finish moved the state; false when the request had already ended (guarantee I5). */
  moved: boolean;
  /** The state the request has now. */
  state: TerminalState;
  userId: string;
  /** UTC day (YYYY-MM-DD) of the windows that the estimate is held in. */
  windowDay: string;
  estimatedTokens: number;
  /** Total of the request's ledger row; null: it has none. */
  billedTokens: number | null;
  /** Of the request's ledger row; 0 also when it has none. */
  failedExecutions: number;
}

/** `unknown`: PostgreSQL has no such request (restored to an earlier point, or past its retention). */
export type FinishReply = Finished | "unknown";

/** What the ledger says of a request. */
export interface LedgerEntry {
  promptTokens: number;
  completionTokens: number;
  cachedTokens: number;
  reasoningTokens: number;
  source: LedgerSource;
  /** How many executions it took, at least 1. */
  executions: number;
  /** How many of them failed. */
  failedExecutions: number;
}

/**
 * The ledger row of a request that ends so; null: it gets none, because nothing was executed (guarantee I2).
 * What was executed without anything to bill for gets a row without tokens, so that the request stays counted
 * and can be proven to be.
 */
export function ledgerEntryOf({
  state,
  attempts,
  usage,
}: Pick<RequestEnd, "state" | "attempts" | "usage">): LedgerEntry | null {
  if (usage !== null) {
    // Whatever the message says: something was used.
    const executions = Math.max(attempts, 1);
    const failedExecutions = state === "failed" ? executions : executions - 1;
    return { cachedTokens: 0, reasoningTokens: 0, ...usage, executions, failedExecutions };
  }
  const hasFailed = state === "failed" || state === "cancelled";
  if (!hasFailed || attempts === 0) return null;
  return {
    promptTokens: 0,
    completionTokens: 0,
    cachedTokens: 0,
    reasoningTokens: 0,
    source: "failed",
    executions: attempts,
    failedExecutions: attempts,
  };
}

/** What Redis has to be told about a request that has ended, by the ledger and hence always the same. */
export function settlementOf({
  userId,
  requestId,
  billedTokens,
  failedExecutions,
  moved,
}: Finished): Settlement {
  return { userId, requestId, billedTokens, failedExecutions, expectHold: moved };
}
