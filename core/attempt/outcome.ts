import type { FaultCode } from "../faults.ts";
import type { InferenceChoice } from "../request/payload.ts";

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
 * What an outcome says about the health of the ML service: `answered` it lives, `busy` it wants fewer calls
 * at once, `timeout` it is too slow or gone, `broken` it is gone or replies with nonsense, `abandoned` we
 * left before it could show anything.
 */
export type HealthSignal = "answered" | "busy" | "timeout" | "broken" | "abandoned";

const SIGNALS = {
  UPSTREAM_TIMEOUT: "timeout",
  UPSTREAM_UNREACHABLE: "broken",
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
