import type { FaultCode } from "../faults.ts";
import type { InferenceChoice } from "../request/payload.ts";
import type { Trouble } from "../queue/model-health.ts";

/** The faults that an ML service can cause. */
export type UpstreamFaultCode = Extract<FaultCode, `UPSTREAM_${string}`>;

/** Token counts as the ML service reported them, already found plausible. */
export interface ReportedUsage {
  promptTokens: number;
  completionTokens: number;
}

/**
 * How one call of an ML service ended. `usage` null: the reply had none that can be believed. `retryAfterMs`
 * null: the service did not say when to come back. `message` is in our words and contains nothing that the
 * service wrote.
 */
export type InferenceOutcome =
  | { ok: true; choices: InferenceChoice[]; usage: ReportedUsage | null }
  | { ok: false; code: UpstreamFaultCode; message: string; retryAfterMs: number | null };

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

/** Whether the call uses up an attempt: the ML service began to work, or refused this very request. */
export function isExecution(outcome: InferenceOutcome): boolean {
  const trouble = troubleOf(outcome);
  return trouble === null || trouble === "failing";
}

/**
 * What an outcome says about the health of the ML service: `answered` it lives, `busy` it wants fewer calls
 * at once, `timeout` it is too slow or gone, `broken` it is gone or replies with nonsense, `abandoned` we
 * left before it could show anything.
 */
export type HealthSignal = "answered" | "busy" | "timeout" | "broken" | "abandoned";

const SIGNALS = {
  UPSTREAM_TIMEOUT: "timeout",
  UPSTREAM_UNREACHABLE: "broken",
  UPSTREAM_UNAVAILABLE: "broken",
  UPSTREAM_REFUSED: "broken",
  UPSTREAM_BUSY: "busy",
  UPSTREAM_FAILED: "broken",
  UPSTREAM_REPLY_INVALID: "broken",
  // The request causes a refusal or an overlong reply: the service itself is well.
  UPSTREAM_REJECTED: "answered",
  UPSTREAM_REPLY_TOO_LARGE: "answered",
} as const satisfies Record<UpstreamFaultCode, HealthSignal>;

export function healthSignalOf(outcome: InferenceOutcome): HealthSignal {
  return outcome.ok ? "answered" : SIGNALS[outcome.code];
}
