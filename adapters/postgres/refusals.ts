import { type Backoff, backoffMs } from "../../runtime/backoff.ts";

/**
 * What is known of a server that takes no connections. Each try costs it a process, so not every statement
 * tries. The others fail at once: in the client's line for a connection they, and the looks of readiness
 * among them, would wait until their deadline.
 */
export interface Refusals {
  /** The last refusal while it is too early to try again, or somebody tries; undefined: try. */
  current: () => unknown;
  /** The server took no connection. One that stands goes on, and what meets it is worth a try. */
  noteRefused: (error: unknown) => void;
  /** The server replied to a statement. */
  noteReply: () => void;
}

const PAUSE: Backoff = { firstMs: 20, longestMs: 500, jitter: 0.5 };
/** Without a reply for so long, no connection stands. */
const SILENT_MS = 250;

export function createRefusals(
  now: () => number = () => performance.now(),
  random: () => number = Math.random,
): Refusals {
  let failures = 0;
  let nextTryAtMs = 0;
  let repliedAtMs = -Infinity;
  let last: unknown;
  return {
    current: () => {
      if (failures === 0) return undefined;
      if (now() < nextTryAtMs) return last;
      // For the others, until this try has ended.
      nextTryAtMs = now() + PAUSE.longestMs;
      return undefined;
    },
    noteRefused: (error) => {
      last = error;
      if (now() - repliedAtMs < SILENT_MS) return;
      failures += 1;
      nextTryAtMs = now() + backoffMs(PAUSE, failures, random());
    },
    noteReply: () => {
      failures = 0;
      repliedAtMs = now();
    },
  };
}
