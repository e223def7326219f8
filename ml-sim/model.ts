import type { SimCall, SimChunks, SimProtocol } from "./calls.ts";
import { type Choice, makeChoice } from "./choices.ts";
import { elapsed } from "./elapsed.ts";
import { eventsOf } from "./events.ts";
import type { FaultWish } from "./faults.ts";
import { callerHasLeft, failure } from "./replies.ts";
import { sendEvents } from "./send-events.ts";
import type { Settings } from "./settings.ts";
import { createSlots } from "./slots.ts";
import { isGood, spoilBody, spoilChoices, spoilEvents, spoilUsage, usageOf } from "./spoil.ts";
import type { SimTotals } from "./stats.ts";

/** One call for the simulated model, and what of the answer is to be spoilt. */
export interface Work {
  protocol: SimProtocol;
  call: SimCall;
  fault: FaultWish | null;
}

/** The simulated model: answers after the time and in the number of slots that the settings say. */
export interface SimModel {
  run: (work: Work, request: Request) => Response | Promise<Response>;
  counts: () => { busy: number; queued: number };
}

const SLOW_MS = 1_000;

export function createModel(settings: () => Settings, totals: SimTotals): SimModel {
  const slots = createSlots(() => ({ slots: settings().slots, queueMax: settings().queue_max }));

  function choicesOf({ call, fault }: Work): Choice[] {
    const range = { min: settings().output_tokens_min, max: settings().output_tokens_max };
    const choices: Choice[] = [];
    for (let i = 0; i < call.n; i += 1) choices.push(makeChoice(call, i, range));
    return spoilChoices(choices, fault);
  }

  function timing(fault: FaultWish | null): { firstMs: number; tokenMs: number } {
    const { ttft_ms: ttftMs, token_ms: tokenMs } = settings();
    const slowMs = fault?.kind === "slow" ? (fault.amount ?? SLOW_MS) : 0;
    return { firstMs: ttftMs + slowMs, tokenMs };
  }

  function count({ call, fault }: Work, choices: Choice[]): void {
    if (!isGood(fault)) return;
    const { promptTokens, completionTokens } = usageOf(call, choices);
    totals.answered += 1;
    totals.prompt_tokens += promptTokens;
    totals.completion_tokens += completionTokens;
  }

  function answer(work: Work, choices: Choice[]): Response {
    const { protocol, call, fault } = work;
    count(work, choices);
    const usage = spoilUsage(usageOf(call, choices), fault);
    return spoilBody(protocol.write(call, choices, usage), fault);
  }

  /** The slot is free again when the stream has ended. */
  function stream(
    work: Work,
    chunks: SimChunks,
    choices: Choice[],
    signal: AbortSignal,
    free: () => void,
  ): Response {
    const { call, fault } = work;
    const usage = spoilUsage(usageOf(call, choices), fault);
    const events = eventsOf(chunks, { call, choices, usage }, timing(fault));
    return sendEvents(spoilEvents(events, fault, longest(choices)), signal, (isWhole) => {
      free();
      if (isWhole) count(work, choices);
      else totals.abandoned += 1;
    });
  }

  async function runInSlot(
    turn: Promise<void>,
    work: Work,
    choices: Choice[],
    signal: AbortSignal,
  ): Promise<Response> {
    try {
      await turn;
    } catch {
      totals.abandoned += 1;
      return callerHasLeft();
    }
    const { chunks } = work.protocol;
    if (work.call.isStream && chunks !== undefined) {
      return stream(work, chunks, choices, signal, slots.free);
    }
    try {
      const { firstMs, tokenMs } = timing(work.fault);
      // Choices are made side by side: the longest decides.
      await elapsed(firstMs + tokenMs * longest(choices), signal);
      if (!signal.aborted) return answer(work, choices);
      totals.abandoned += 1;
      return callerHasLeft();
    } finally {
      slots.free();
    }
  }

  return {
    run(work, request) {
      const choices = choicesOf(work);
      const { firstMs, tokenMs } = timing(work.fault);
      if (firstMs + tokenMs === 0 && settings().slots === 0 && !work.call.isStream) {
        return answer(work, choices);
      }
      const { signal } = request;
      const turn = slots.take(signal);
      if (turn !== null) return runInSlot(turn, work, choices, signal);
      totals.refused_busy += 1;
      const { retry_after_seconds: seconds } = settings();
      return failure(429, "every slot is busy and the queue is full", seconds);
    },
    counts: slots.counts,
  };
}

const longest = (choices: Choice[]): number => Math.max(0, ...choices.map(({ tokens }) => tokens));
