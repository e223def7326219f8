import type { ReportedUsage } from "./outcome.ts";

/** What a plausible report can have. */
export interface UsageBounds {
  promptTokensMax: number;
  completionTokensMin: number;
  completionTokensMax: number;
}

/** A usage as a reply has it: nothing in it is certain. */
export interface UsageReport {
  promptTokens: unknown;
  completionTokens: unknown;
  /** Of both; some services count hidden reasoning here alone. */
  totalTokens?: unknown;
  /** Of the prompt's tokens. */
  cachedTokens?: unknown;
  /** Of the completion's tokens. */
  reasoningTokens?: unknown;
}

/** Tokens that a chat template may add around the messages of one choice. */
const TEMPLATE_TOKENS_MAX = 1_024;

/**
 * Bounds from what was sent and received: no tokenizer makes more tokens than bytes, and none makes no token
 * of a text. The prompt may be counted once per choice; hidden reasoning counts as output and is capped by
 * `maxTokens`, and a service that ignores the cap is bounded by its text.
 */
export function usageBounds(call: {
  promptBytes: number;
  replyTextBytes: number;
  maxTokens: number;
  n: number;
}): UsageBounds {
  return {
    promptTokensMax: call.n * (call.promptBytes + TEMPLATE_TOKENS_MAX),
    completionTokensMin: call.replyTextBytes > 0 ? 1 : 0,
    completionTokensMax: call.n * call.maxTokens + call.replyTextBytes,
  };
}

/**
 * A report that can be billed, or null when it is missing or cannot be true (negative, fractional, beyond
 * what the bytes allow, nothing where there is a text): the tokens are then counted here. A total above the
 * sum wins as long as it is plausible itself: the rest of it is output that was not shown.
 */
export function plausibleUsage(report: UsageReport, bounds: UsageBounds): ReportedUsage | null {
  const { promptTokens, completionTokens: shown, totalTokens } = report;
  const { completionTokensMin: min, completionTokensMax: max } = bounds;
  if (!isCountWithin(promptTokens, 1, bounds.promptTokensMax)) return null;
  const total = typeof totalTokens === "number" ? totalTokens - promptTokens : Number.NaN;
  const isTotalMore = isCountWithin(shown, 0, max) && isCountWithin(total, shown + 1, max);
  const completionTokens = isTotalMore ? total : shown;
  if (!isCountWithin(completionTokens, min, max)) return null;
  return {
    promptTokens,
    completionTokens,
    cachedTokens: partOf(report.cachedTokens, promptTokens),
    reasoningTokens: partOf(report.reasoningTokens, completionTokens),
  };
}

/** A part that is more than the whole, or no count, is not believed; the whole may still be right. */
function partOf(value: unknown, whole: number): number {
  return isCountWithin(value, 0, whole) ? value : 0;
}

function isCountWithin(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}
