import type { FaultCode } from "./faults.ts";
import type { RequestHead, TerminalState, TokenUsage } from "./request.ts";

/** Version of the message headers; a reader refuses what it does not know instead of guessing. */
export const MESSAGE_VERSION = 1;

/**
 * How long a reader holds a message of a newer version before it gives it back. Held messages fill its prefetch, so that the newer
 * readers of a rollout take the others; and each return counts as a delivery, of which a message has a limited number.
 */
export const NEWER_HELD_MS = 30_000;

/** One attempt waiting in `inference_requests` or a delay queue. `payload` is the sealed `InferencePayload`. */
export interface QueuedRequest {
  head: RequestHead;
  /** 1-based number of the attempt this delivery stands for. */
  attempt: number;
  payload: Uint8Array;
}

/** Why a request ended otherwise than completed: a code of `FAULTS` and our own words, never the ML service's. */
export interface RequestError {
  code: FaultCode;
  message: string;
}

/** The end of a request as a worker saw it, waiting in `inference_results`. */
export interface QueuedResult {
  head: RequestHead;
  state: TerminalState;
  /** Attempts made, the last one included; 0 when it never started. */
  attempts: number;
  startedAtMs: number | null;
  completedAtMs: number;
  /** What is billed; null: nothing was executed, so nothing is billed. */
  usage: TokenUsage | null;
  error: RequestError | null;
  /** Sealed `InferenceResult`; null unless completed. */
  result: Uint8Array | null;
}
