import type { SimCall, SimProtocol } from "./calls.ts";
import { elapsed } from "./elapsed.ts";
import type { FaultWish } from "./faults.ts";
import { callerHasLeft, failure } from "./replies.ts";
import type { Settings } from "./settings.ts";
import { createSlots } from "./slots.ts";
import type { SimTotals } from "./stats.ts";
import { countPromptTokens, makeOutput, type Output } from "./text.ts";

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

  function outputsOf({ prompt, maxTokens, n }: SimCall): Output[] {
    const range = { min: settings().output_tokens_min, max: settings().output_tokens_max };
    const outputs: Output[] = [];
    for (let i = 0; i < n; i += 1) outputs.push(makeOutput(prompt, i, maxTokens, range));
    return outputs;
  }

  /** Choices are made side by side: the longest decides. */
  function durationMs(outputs: Output[], fault: FaultWish | null): number {
    const { ttft_ms: firstMs, token_ms: tokenMs } = settings();
    const slowMs = fault?.kind === "slow" ? (fault.amount ?? SLOW_MS) : 0;
    return firstMs + slowMs + tokenMs * Math.max(...outputs.map(({ tokens }) => tokens));
  }

  function answer({ protocol, call, fault }: Work, outputs: Output[]): Response {
    if (fault?.kind === "truncate") {
      const whole = JSON.stringify(protocol.write(call, outputs, null));
      return new Response(whole.slice(0, whole.length >> 1));
    }
    const promptTokens = countPromptTokens(call.prompt);
    const completionTokens = outputs.reduce((sum, { tokens }) => sum + tokens, 0);
    totals.answered += 1;
    totals.prompt_tokens += promptTokens;
    totals.completion_tokens += completionTokens;
    if (fault?.kind === "no-usage") return Response.json(protocol.write(call, outputs, null));
    const sign = fault?.kind === "negative-usage" ? -1 : 1;
    const usage = { promptTokens: sign * promptTokens, completionTokens: sign * completionTokens };
    return Response.json(protocol.write(call, outputs, usage));
  }

  async function runInSlot(
    turn: Promise<void>,
    ms: number,
    signal: AbortSignal,
    finish: () => Response,
  ): Promise<Response> {
    try {
      await turn;
    } catch {
      totals.abandoned += 1;
      return callerHasLeft();
    }
    try {
      await elapsed(ms, signal);
      if (!signal.aborted) return finish();
      totals.abandoned += 1;
      return callerHasLeft();
    } finally {
      slots.free();
    }
  }

  return {
    run(work, request) {
      const outputs = outputsOf(work.call);
      const ms = durationMs(outputs, work.fault);
      if (ms === 0 && settings().slots === 0) return answer(work, outputs);
      const { signal } = request;
      const turn = slots.take(signal);
      if (turn !== null) return runInSlot(turn, ms, signal, () => answer(work, outputs));
      totals.refused_busy += 1;
      const { retry_after_seconds: seconds } = settings();
      return failure(429, "every slot is busy and the queue is full", seconds);
    },
    counts: slots.counts,
  };
}
