import type { RequestError, TerminalState, TokenUsage } from "./request.ts";

/** How a request ended. Times are Unix milliseconds. */
export interface RequestEnd {
  state: TerminalState;
  /** Attempts made, the last one included; 0 when it never started. */
  attempts: number;
  startedAtMs: number | null;
  completedAtMs: number;
  /** What is billed; null: nothing was executed, so the ledger gets no row. */
  usage: TokenUsage | null;
  error: RequestError | null;
  /** Sealed `InferenceResult`; null unless completed. */
  result: Uint8Array | null;
}

/**
 * Asks to end a request: its state moves if it is still queued, and the ledger gets its row if there is
 * usage.
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
}

/** `unknown`: PostgreSQL has no such request (restored to an earlier point, or past its retention). */
export type FinishReply = Finished | "unknown";
