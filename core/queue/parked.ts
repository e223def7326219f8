import type { RequestError } from "../request/request.ts";
import type { RequestRef } from "../request/stored-request.ts";

/** A parked request by what the order needs to know of it. */
export interface ParkedPlace {
  requestId: string;
  estimatedTokens: number;
}

/** What a dispatched request came to. */
export interface DispatchedEnd {
  requestId: string;
  /** What was billed; 0: nothing. */
  tokens: number;
}

/** A parked retry whose time is over, and what its last attempt met. */
export interface OverdueRetry extends RequestRef {
  /** Attempts that were made. */
  attempts: number;
  lastError: RequestError | undefined;
}
