import { FAULTS } from "../faults.ts";
import type { InferenceResult } from "../request/payload.ts";
import type { RequestError } from "../request/request.ts";
import { type Delay, retryDelay } from "./delay.ts";
import {
  type InferenceOutcome,
  isExecution,
  type ReportedUsage,
  type UpstreamWords,
} from "./outcome.ts";

/** What becomes of a delivery whose attempt has ended. */
export type Verdict =
  | { kind: "done"; result: InferenceResult; usage: ReportedUsage | null }
  | FailedVerdict;
export type FailedVerdict =
  | { kind: "retry"; delay: Delay; error: RequestError }
  /** The ML service did not begin to work: the same attempt is made when the service can be called. */
  | { kind: "put_off"; error: RequestError }
  /** `upstream`: what the ML service said of it; absent: nothing. */
  | { kind: "dead"; error: RequestError; upstream?: UpstreamWords };

export interface RetryPolicy {
  /** Attempts of one request, the first included. */
  attemptsMax: number;
  /** Longest delay before each retry, milliseconds; the last one repeats. */
  delaysMs: readonly number[];
}

/**
 * Decides what becomes of attempt number `attempt` (1-based) given how its call ended. `random` is in [0, 1).
 */
export function judgeOutcome(
  outcome: InferenceOutcome,
  attempt: number,
  policy: RetryPolicy,
  random: number,
): Verdict {
  if (outcome.ok) {
    const { choices, data, usage } = outcome;
    return { kind: "done", result: { choices, ...(data ? { data } : {}) }, usage };
  }
  const error = { code: outcome.code, message: outcome.message };
  if (!isExecution(outcome)) return { kind: "put_off", error };
  const verdict: FailedVerdict = FAULTS[outcome.code].retryable
    ? retryOrDead(error, attempt, outcome.retryAfterMs, policy, random)
    : { kind: "dead", error };
  const { upstream } = outcome;
  return verdict.kind === "dead" && upstream !== undefined ? { ...verdict, upstream } : verdict;
}

/**
 * Tries again while attempts are left. Also for an attempt that our own code broke off: another worker may do
 * better.
 */
export function retryOrDead(
  error: RequestError,
  attempt: number,
  retryAfterMs: number | null,
  policy: RetryPolicy,
  random: number,
): FailedVerdict {
  if (attempt < policy.attemptsMax) {
    return {
      kind: "retry",
      delay: retryDelay(policy.delaysMs, attempt, retryAfterMs, random),
      error,
    };
  }
  return {
    kind: "dead",
    error: {
      code: error.code,
      message: `${error.message} (attempt ${attempt} of ${policy.attemptsMax})`,
    },
  };
}
