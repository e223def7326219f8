import { stallingBody } from "./bodies.ts";
import type { SimCall, SimUsage } from "./calls.ts";
import { type Choice, halfOf } from "./choices.ts";
import { NEVER_MS } from "./elapsed.ts";
import type { SimEvent } from "./events.ts";
import type { FaultKind, FaultWish } from "./faults.ts";
import { errorOf } from "./replies.ts";
import { RESET } from "./send-events.ts";

/** Faults that leave no good answer, though the model has worked. */
const SPOILT: ReadonlySet<FaultKind> = new Set<FaultKind>([
  "truncate",
  "reset",
  "error-event",
  "abort",
  "finish-error",
]);

/** A text, so that those that a function does not know need not be named. */
const kindOf = (fault: FaultWish | null): string => fault?.kind ?? "";

/** Whether the answer is one that somebody would pay for. */
export const isGood = (fault: FaultWish | null): boolean =>
  fault === null || !SPOILT.has(fault.kind);

/** The choices as the fault shows them. */
export function spoilChoices(choices: Choice[], fault: FaultWish | null): Choice[] {
  switch (kindOf(fault)) {
    case "abort":
      return choices.map((choice) => halfOf(choice, "abort"));
    case "finish-error":
      return choices.map((choice) => halfOf(choice, "error"));
    case "parts":
      return choices.map((choice) => ({ ...choice, isParts: true }));
    default:
      return choices;
  }
}

/** What the tokens of a call come to. */
export function usageOf(call: SimCall, choices: Choice[]): SimUsage {
  const { promptTokens, cachedTokens } = call;
  const completionTokens = choices.reduce((sum, { tokens }) => sum + tokens, 0);
  return {
    promptTokens,
    completionTokens,
    totalTokens: promptTokens + completionTokens,
    reasoningTokens: choices.reduce((sum, choice) => sum + choice.reasoningTokens, 0),
    cachedTokens,
  };
}

const HIDDEN_TOKENS = 300;

/** The usage as the fault reports it; null: not at all. */
export function spoilUsage(usage: SimUsage, fault: FaultWish | null): SimUsage | null {
  const { promptTokens, completionTokens, totalTokens } = usage;
  switch (kindOf(fault)) {
    case "truncate":
    case "no-usage":
      return null;
    case "negative-usage":
      return {
        ...usage,
        promptTokens: -promptTokens,
        completionTokens: -completionTokens,
        totalTokens: -totalTokens,
      };
    case "zero-usage":
      return { ...usage, promptTokens: 0, completionTokens: 0, totalTokens: 0 };
    case "zero-prompt":
      return { ...usage, promptTokens: 0, totalTokens: completionTokens };
    case "hidden-reasoning": {
      const hidden = fault?.amount ?? HIDDEN_TOKENS;
      return { ...usage, reasoningTokens: hidden, totalTokens: totalTokens + hidden };
    }
    default:
      return usage;
  }
}

/** The whole reply as the fault sends it. */
export function spoilBody(reply: unknown, fault: FaultWish | null): Response {
  if (fault?.kind !== "truncate" && fault?.kind !== "stall") return Response.json(reply);
  const whole = JSON.stringify(reply);
  const half = whole.length >> 1;
  if (fault.kind === "truncate") return new Response(whole.slice(0, half));
  return stallingBody(whole.slice(0, half), whole.slice(half), fault.amount ?? NEVER_MS);
}

/** The stream as the fault sends it; `tokens` of the longest choice. */
export function* spoilEvents(
  events: Iterable<SimEvent>,
  fault: FaultWish | null,
  tokens: number,
): Generator<SimEvent> {
  const half = tokens >> 1;
  const stallMs = fault?.kind === "stall" ? (fault.amount ?? NEVER_MS) : 0;
  for (const event of events) {
    if (event.step < half) {
      yield event;
      continue;
    }
    switch (kindOf(fault)) {
      case "truncate":
        return;
      case "reset":
        yield { ...event, data: RESET };
        return;
      case "error-event":
        yield { ...event, data: JSON.stringify(errorOf("asked for", fault?.amount ?? 500)) };
        return;
      default:
        yield { ...event, atMs: event.atMs + stallMs };
    }
  }
}
