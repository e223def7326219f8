import type { ReportedUsage } from "./outcome.ts";

/** The highest counts that a plausible report can have. */
export interface UsageBounds {
  promptTokensMax: number;
  completionTokensMax: number;
}

/** Tokens that a chat template may add around the messages of one choice. */
const TEMPLATE_TOKENS_MAX = 1_024;

/**
 * Bounds from what was sent and received: no tokenizer makes more tokens than bytes. The prompt may be
 * counted once per choice; hidden reasoning counts as output and is capped by `maxTokens`, and a service that
 * ignores the cap is bounded by its text.
 */
export function usageBounds(call: {
  promptBytes: number;
  replyTextBytes: number;
  maxTokens: number;
  n: number;
}): UsageBounds {
  return {
    promptTokensMax: call.n * (call.promptBytes + TEMPLATE_TOKENS_MAX),
    completionTokensMax: call.n * call.maxTokens + call.replyTextBytes,
  };
}

/**
 * A report that can be billed, or null when it is missing or cannot be true (negative, fractional, beyond
 * what the bytes allow): the tokens are then counted here.
 */
export function plausibleUsage(
  promptTokens: unknown,
  completionTokens: unknown,
  bounds: UsageBounds,
): ReportedUsage | null {
  if (!isCountWithin(promptTokens, bounds.promptTokensMax)) return null;
  if (!isCountWithin(completionTokens, bounds.completionTokensMax)) return null;
  return { promptTokens, completionTokens };
}

function isCountWithin(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}
