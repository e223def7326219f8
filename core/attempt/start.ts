import type { RequestRef } from "../request/stored-request.ts";

/** The start of one attempt, as its worker marks it. */
export interface AttemptStart extends RequestRef {
  /** 1-based. */
  attempt: number;
  startedAtMs: number;
  /** Whether the broker has delivered this message before. */
  redelivered: boolean;
}

/** What is known of a request when an attempt starts. */
export interface StartHints {
  cancelled: boolean;
  /** Earlier starts of this request that were never cleared: their workers died. */
  crashes: number;
}

/** A worker's mark that it has begun an attempt: makes a queued request `in_progress`. */
export type StartedHint = Pick<AttemptStart, "attempt" | "startedAtMs">;
