import type { FaultCode } from "../faults.ts";
import type { Trouble } from "../queue/model-health.ts";
import type { InferenceResult } from "../request/payload.ts";
import type { RequestError } from "../request/request.ts";

/** The faults that an ML service can cause. */
export type UpstreamFaultCode = Extract<FaultCode, `UPSTREAM_${string}`>;

/** Token counts as the ML service reported them, already found plausible. */
export interface ReportedUsage {
  promptTokens: number;
  /** What was hidden, such as reasoning, included. */
  completionTokens: number;
  /** Of the prompt's tokens, those that came from a cache; 0 also when nothing was said of it. */
  cachedTokens: number;
  /** Of the completion's tokens, those of hidden reasoning; 0 also when nothing was said of it. */
  reasoningTokens: number;
}

/** What an ML service said of a failure. It is content: sealed wherever it rests (guarantee I11). */
export interface UpstreamWords {
  /** HTTP status of its reply, or the one that an error inside a reply means. */
  status: number;
  /** Its own words, bounded; null: it said nothing. */
  message: string | null;
}

/**
 * How one call of an ML service ended. `usage` null: the reply had none that can be believed. `retryAfterMs`
 * null: the service did not say when to come back. `message` is in our words and contains nothing that the
 * service wrote; its own are in `upstream`, absent when it said nothing.
 */
export type InferenceOutcome =
  | ({ ok: true; usage: ReportedUsage | null } & Omit<InferenceResult, "usage">)
  | {
      ok: false;
      code: UpstreamFaultCode;
      message: string;
      retryAfterMs: number | null;
      upstream?: UpstreamWords;
    };

/**
 * What a failed call says about its model. null: the request is to blame and the service is well. All but
 * `failing` are no executions: the service did not begin to work.
 */
const TROUBLES = {
  UPSTREAM_UNREACHABLE: "unreachable",
  UPSTREAM_BUSY: "busy",
  UPSTREAM_UNAVAILABLE: "unavailable",
  UPSTREAM_REFUSED: "refused",
  UPSTREAM_TIMEOUT: "failing",
  UPSTREAM_FAILED: "failing",
  UPSTREAM_REPLY_INVALID: "failing",
  UPSTREAM_REJECTED: null,
  UPSTREAM_REPLY_TOO_LARGE: null,
} as const satisfies Record<UpstreamFaultCode, Trouble | null>;

export function troubleOf(outcome: InferenceOutcome): Trouble | null {
  return outcome.ok ? null : TROUBLES[outcome.code];
}

const CODES = {
  unreachable: "UPSTREAM_UNREACHABLE",
  busy: "UPSTREAM_BUSY",
  unavailable: "UPSTREAM_UNAVAILABLE",
  refused: "UPSTREAM_REFUSED",
  failing: "UPSTREAM_FAILED",
} as const satisfies Record<Trouble, UpstreamFaultCode>;

/** The error to show for trouble that is known of a model or a user. */
export function errorOfTrouble(trouble: Trouble, message: string): RequestError {
  return { code: CODES[trouble], message };
}

/** Whether the call uses up an attempt: the ML service began to work, or refused this very request. */
export function isExecution(outcome: InferenceOutcome): boolean {
  const trouble = troubleOf(outcome);
  return trouble === null || trouble === "failing";
}

/**
 * What an outcome says about how much the ML service takes at once: `answered` it took this call, `too_much`
 * it wants fewer at once or is too slow; null: nothing.
 */
export type LoadSignal = "answered" | "too_much" | null;

const LOAD_SIGNALS = {
  UPSTREAM_TIMEOUT: "too_much",
  UPSTREAM_BUSY: "too_much",
  UPSTREAM_UNREACHABLE: null,
  UPSTREAM_UNAVAILABLE: null,
  UPSTREAM_REFUSED: null,
  UPSTREAM_FAILED: null,
  UPSTREAM_REPLY_INVALID: null,
  // The request causes a refusal or an overlong reply: the service itself is well.
  UPSTREAM_REJECTED: "answered",
  UPSTREAM_REPLY_TOO_LARGE: "answered",
} as const satisfies Record<UpstreamFaultCode, LoadSignal>;

export function loadSignalOf(outcome: InferenceOutcome): LoadSignal {
  return outcome.ok ? "answered" : LOAD_SIGNALS[outcome.code];
}
