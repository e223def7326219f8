import { drippingBody, hugeBody, resetBody } from "./bodies.ts";
import { elapsed } from "./elapsed.ts";
import type { FaultWish } from "./faults.ts";
import { callerHasLeft, failure } from "./replies.ts";

/** The reply of a fault that needs no model; null for those that only spoil or delay a good answer. */
export type Refuse = (
  fault: FaultWish,
  prompt: string,
  signal: AbortSignal,
) => Response | Promise<Response> | null;

/**
 * Prompts whose failures are counted for `fail-times`; the one that failed longest ago is forgotten first.
 */
const FAILING_PROMPTS_MAX = 10_000;
const HUGE_BYTES = 209_715_200;
/** Longer than any caller waits. */
const NEVER_MS = 86_400_000;

/** `retryAfterSeconds`: what a 429 asks for that says no number. */
export function createRefusals(retryAfterSeconds: () => number): Refuse {
  const failures = new Map<string, number>();

  /** True for the first `times` calls with this prompt. */
  function stillFails(prompt: string, times: number): boolean {
    const failed = failures.get(prompt) ?? 0;
    if (failed >= times) return false;
    failures.delete(prompt);
    failures.set(prompt, failed + 1);
    for (const oldest of failures.keys()) {
      if (failures.size <= FAILING_PROMPTS_MAX) break;
      failures.delete(oldest);
    }
    return true;
  }

  return ({ kind, amount }, prompt, signal) => {
    switch (kind) {
      case "400":
      case "401":
      case "404":
      case "500":
      case "502":
      case "503":
        return failure(Number(kind), "asked for");
      case "429":
        return failure(429, "asked for", amount ?? retryAfterSeconds());
      case "fail-times":
        return stillFails(prompt, amount ?? 1) ? failure(500, "asked for") : null;
      case "timeout":
        return elapsed(NEVER_MS, signal).then(callerHasLeft);
      case "huge":
        return hugeBody(amount ?? HUGE_BYTES);
      case "reset":
        return resetBody();
      case "drip":
        return drippingBody();
      case "truncate":
      case "no-usage":
      case "negative-usage":
      case "slow":
        return null;
    }
  };
}
