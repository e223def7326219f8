import type { UpstreamWords } from "../../core/attempt/outcome.ts";
import type { AttemptHints } from "../../core/attempt/start.ts";
import type { JsonText } from "../../core/json/json-text.ts";
import { decodeJson, decodeText } from "../../core/request/payload.ts";
import { isTerminal, type RequestError, type RequestState } from "../../core/request/request.ts";
import type { StoredRequest } from "../../core/request/stored-request.ts";
import type { Waiting } from "../../core/queue/lane.ts";
import type { GatewayPorts } from "../ports.ts";

/** How a request without a terminal state stands. */
export interface Standing {
  /** null: a worker executes it. */
  waiting: Waiting | null;
  /** Attempts so far, the one under way included. */
  attempts: number;
  /** Of the attempt under way, else of the last one; null: there was none. */
  startedAtMs: number | null;
  /** null: it is not between two attempts. */
  nextAttemptAtMs: number | null;
  /** What its last attempt met, or why it was put off; null: nothing yet. */
  lastError: RequestError | null;
}

/** A request as its owner sees it: its content open, and how it stands while it has not ended. */
export interface RequestView
  extends
    Omit<StoredRequest, "state" | "metadata" | "result" | "errorDetail">,
    Omit<Standing, "attempts"> {
  state: RequestState;
  /** As the caller wrote it. */
  metadata: JsonText | null;
  /** An `InferenceResult`; null unless completed. */
  result: JsonText | null;
  /** What the ML service said of its failure; null: nothing. */
  upstream: UpstreamWords | null;
}

/** Nothing is known of attempts: there were none, or Redis is away or has lost its memory. */
export const NO_HINTS: AttemptHints = {
  started: undefined,
  lastStartedAtMs: 0,
  attemptsMade: 0,
  delayedUntilMs: 0,
  lastError: null,
};

/**
 * Opens what is sealed. `standing` counts for as long as the request has not ended.
 *
 * @throws {Error} when the content cannot be opened, for example for want of an old key
 */
export function viewRequest(
  stored: StoredRequest,
  standing: Standing | undefined,
  open: GatewayPorts["open"],
): RequestView {
  const { metadata, result, errorDetail, ...rest } = stored;
  const present = isTerminal(stored.state) ? undefined : standing;
  const isExecuted = present !== undefined && present.waiting === null;
  return {
    ...rest,
    state: isExecuted ? "in_progress" : stored.state,
    attempts: present?.attempts ?? stored.attempts,
    startedAtMs: stored.startedAtMs ?? present?.startedAtMs ?? null,
    waiting: present?.waiting ?? null,
    nextAttemptAtMs: present?.nextAttemptAtMs ?? null,
    lastError: present?.lastError ?? null,
    metadata: metadata === null ? null : decodeText(open(metadata, stored, "metadata")),
    upstream:
      errorDetail === null
        ? null
        : (decodeJson(open(errorDetail, stored, "error_detail")) as UpstreamWords),
    result: result === null ? null : decodeText(open(result, stored, "result")),
  };
}
