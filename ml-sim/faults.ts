import { markersOf } from "./markers.ts";

/** What the simulator can do wrong, and what the number after the colon means. */
export const FAULTS = {
  "400": "status 400",
  "401": "status 401",
  "404": "status 404",
  "422": "status 422 with a body that says why",
  "429": "status 429 with Retry-After; :SECONDS",
  "500": "status 500",
  "502": "status 502",
  "503": "status 503",
  timeout: "no answer at all",
  truncate:
    "a body that ends in the middle of the JSON; a stream that ends without a finish or [DONE]",
  "no-usage": "a good answer without usage",
  "negative-usage": "a good answer with negative usage",
  "zero-usage": "a good answer with a usage of 0 and 0",
  "zero-prompt": "a good answer with a usage of 0 prompt tokens",
  "hidden-reasoning": "a good answer with reasoning that only the total of its usage has; :TOKENS",
  abort: 'half an answer with the finish_reason "abort"',
  "finish-error": 'half an answer with the finish_reason "error"',
  parts: "a good answer whose content is a list of parts",
  "new-cap-name": "status 400 as long as the cap is called max_tokens, not max_completion_tokens",
  "error-200": "status 200 with an error inside; :CODE",
  "error-200-text": "the same, with the code as a text; :CODE",
  "null-choices": "status 200 with an error inside and choices null; :CODE",
  "error-event": "a stream with an error after its first half; without a stream a status; :CODE",
  stall: "a good answer that stops after its first half, for ever or for so long; :MS",
  "close-idle": "a good answer, whose connection is closed some seconds later without a word",
  huge: "a body of so many bytes; :BYTES",
  reset: "the connection is reset in the middle of the body or stream",
  drip: "a body of one byte per 100 ms without end",
  slow: "a good answer, later; :MS",
  "fail-times": "status 500 for the first calls with this prompt; :N",
} as const;

export type FaultKind = keyof typeof FAULTS;
export const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[];

export interface FaultWish {
  kind: FaultKind;
  /** The number after the colon; null: the kind's own default. */
  amount: number | null;
}

const WISH = /^([a-z0-9-]+)(?::(\d{1,12}))?$/;

/** Reads `KIND` or `KIND:NUMBER`, as the header `x-sim-fault` has it; null when it is not a fault. */
export function parseFault(text: string | null): FaultWish | null {
  const [, kind = "", amount] = WISH.exec(text ?? "") ?? [];
  if (!isFaultKind(kind)) return null;
  return { kind, amount: amount === undefined ? null : Number(amount) };
}

function isFaultKind(name: string): name is FaultKind {
  return Object.hasOwn(FAULTS, name);
}

/** The first fault that a prompt asks for with a marker; null when it does not. */
export function faultOfPrompt(prompt: string): FaultWish | null {
  for (const { name, amount } of markersOf(prompt)) {
    if (isFaultKind(name)) return { kind: name, amount };
  }
  return null;
}

/** Draws a fault by the given rates; `random` is in [0, 1). */
export function drawFault(
  rates: Partial<Record<FaultKind, number>>,
  random: () => number,
): FaultWish | null {
  for (const kind of FAULT_KINDS) {
    const rate = rates[kind] ?? 0;
    if (rate > 0 && random() < rate) return { kind, amount: null };
  }
  return null;
}

/** Random numbers in [0, 1) that a seed determines (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
