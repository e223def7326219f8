import type { FaultCode } from "../faults.ts";

/** The states of a request, in the order in which it passes through them. */
export const REQUEST_STATES = [
  "queued",
  "in_progress",
  "completed",
  "failed",
  "cancelled",
  "expired",
] as const;
export type RequestState = (typeof REQUEST_STATES)[number];

/** `in_progress` is a hint kept in Redis; PostgreSQL knows only these. */
export type DurableState = Exclude<RequestState, "in_progress">;
export type TerminalState = Exclude<DurableState, "queued">;

export const TERMINAL_STATES = [
  "completed",
  "failed",
  "cancelled",
  "expired",
] as const satisfies readonly TerminalState[];

/** A terminal state and its result never change (guarantee I5). */
export function isTerminal(state: RequestState): state is TerminalState {
  return state !== "queued" && state !== "in_progress";
}

/** What everybody on the path knows about a request, without its content. Times are Unix milliseconds. */
export interface RequestHead {
  requestId: string;
  userId: string;
  model: string;
  /** UTC day (YYYY-MM-DD) of the windows that the estimate is held in; the month follows from it. */
  windowDay: string;
  estimatedTokens: number;
  createdAtMs: number;
  /** Not started by then, it is `expired` and never billed. */
  expiresAtMs: number;
}

/**
 * Why a request ended otherwise than completed: a code of `FAULTS` and our own words, never the ML service's.
 */
export interface RequestError {
  code: FaultCode;
  message: string;
}

/** Where a token count came from: the ML service's own usage, or our tokenizer because the reply had none. */
export type UsageSource = "reported" | "counted";

/** Of a ledger row; `failed`: the request was executed and failed, so that it has no tokens to bill. */
export type LedgerSource = UsageSource | "failed";

export interface TokenUsage {
  promptTokens: number;
  completionTokens: number;
  /** Of the prompt's tokens, those that came from a cache; absent: nothing is known of any. */
  cachedTokens?: number;
  /** Of the completion's tokens, those of hidden reasoning; absent: nothing is known of any. */
  reasoningTokens?: number;
  source: UsageSource;
}
