import { drippingBody, hugeBody, resetBody } from "./bodies.ts";
import type { SimCall } from "./calls.ts";
import { elapsed, NEVER_MS } from "./elapsed.ts";
import type { FaultWish } from "./faults.ts";
import { callerHasLeft, errorOf, failure } from "./replies.ts";

/** The reply of a fault that needs no model; null for those that only spoil or delay a good answer. */
export type Refuse = (
  fault: FaultWish,
  call: SimCall,
  signal: AbortSignal,
) => Response | Promise<Response> | null;

/**
 * Prompts whose failures are counted for `fail-times`; the one that failed longest ago is forgotten first.
 */
const FAILING_PROMPTS_MAX = 10_000;
const HUGE_BYTES = 209_715_200;
const WHY_422 = "temperature must be at most 2, but it is 7";
const OLD_CAP_NAME =
  "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
/** Codes as services write them that have words for them. */
const CODE_WORDS: Readonly<Record<number, string>> = {
  400: "context_length_exceeded",
  401: "invalid_api_key",
  404: "model_not_found",
  429: "rate_limit_exceeded",
};

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

  return ({ kind, amount }, call, signal) => {
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
        return stillFails(call.prompt, amount ?? 1) ? failure(500, "asked for") : null;
      case "422":
        return failure(422, WHY_422);
      case "new-cap-name":
        return call.hasOldCapName ? failure(400, OLD_CAP_NAME) : null;
      case "error-200":
        return Response.json(errorOf("asked for", amount ?? 500));
      case "error-200-text":
        return Response.json(
          errorOf("asked for", CODE_WORDS[amount ?? 500] ?? String(amount ?? 500)),
        );
      case "null-choices":
        return Response.json({ choices: null, ...errorOf("asked for", amount ?? 500) });
      case "error-event":
        return call.isStream ? null : failure(amount ?? 500, "asked for");
      case "timeout":
        return elapsed(NEVER_MS, signal).then(callerHasLeft);
      case "huge":
        return hugeBody(amount ?? HUGE_BYTES);
      case "reset":
        return call.isStream ? null : resetBody();
      case "drip":
        return drippingBody();
      case "truncate":
      case "no-usage":
      case "negative-usage":
      case "zero-usage":
      case "zero-prompt":
      case "hidden-reasoning":
      case "abort":
      case "finish-error":
      case "parts":
      case "stall":
      case "close-idle":
      case "slow":
        return null;
    }
  };
}
