import type { FaultCode } from "./faults.ts";
import type { RequestHead, TerminalState, TokenUsage } from "./request.ts";

/** Version of the message headers that this release writes; a reader refuses what it does not know instead of guessing. */
export const MESSAGE_VERSION = 1;

/** The oldest version that it reads: one back, once there is one, since a rollout runs two releases on the same queues. */
export const MESSAGE_VERSION_OLDEST = 1;

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
