import type { RequestError } from "../request/request.ts";
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

/** What the short-lived marks say of a queued request; losing them loses nothing but these answers. */
export interface AttemptHints {
  /** undefined: no attempt is under way. */
  started: StartedHint | undefined;
  /** When the last of those that have ended had started, Unix milliseconds; 0: none has. */
  lastStartedAtMs: number;
  /** Executions that have ended without ending the request. */
  attemptsMade: number;
  /** Until when it waits at most for its next attempt, Unix milliseconds; 0: it does not. */
  delayedUntilMs: number;
  /** Why its last attempt failed, or why it was put off last. */
  lastError: RequestError | null;
}
