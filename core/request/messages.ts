import type { Priority } from "../queue/fair-order.ts";
import type { RequestEnd } from "./finish.ts";
import type { RequestError, RequestHead } from "./request.ts";

/**
 * Version of the message headers that this release writes; a reader refuses what it does not know instead of
 * guessing.
 */
export const MESSAGE_VERSION = 1;

/**
 * The oldest version that it reads: one back, once there is one, since a rollout runs two releases on the
 * same queues.
 */
export const MESSAGE_VERSION_OLDEST = 1;

/**
 * One attempt waiting in `inference_requests` or a delay queue. `payload` is the sealed `InferencePayload`.
 */
export interface QueuedRequest {
  head: RequestHead;
  /** 1-based number of the attempt this delivery stands for. */
  attempt: number;
  /** Why the attempt before failed, or what this one met before it was put off; absent: nothing yet. */
  lastError?: RequestError;
  /** Its class among what waits; absent: normal. */
  priority?: Priority;
  payload: Uint8Array;
}

/** The end of a request as a worker saw it, waiting in `inference_results`. */
export interface QueuedResult extends RequestEnd {
  head: RequestHead;
}
