import type { SimCall, SimChunks, SimUsage } from "./calls.ts";
import { type Choice, piecesOf } from "./choices.ts";

/** One event of a stream. */
export interface SimEvent {
  /** When it is due, after the model has begun. */
  atMs: number;
  /** How many tokens of each choice came before it. */
  step: number;
  data: string;
}

/** What a stream says: `usage` null: it does not say its usage. */
export interface Told {
  call: SimCall;
  choices: Choice[];
  usage: SimUsage | null;
}

/**
 * The events of an answer, by OpenAI's rules: each choice begins once, in ascending order; choices are told
 * side by side, a token of each at a time; each has its finish; the usage and `[DONE]` come last.
 */
export function* eventsOf(
  chunks: SimChunks,
  { call, choices, usage }: Told,
  timing: { firstMs: number; tokenMs: number },
): Generator<SimEvent> {
  let step = 0;
  let atMs = timing.firstMs;
  const event = (json: unknown): SimEvent => ({ atMs, step, data: JSON.stringify(json) });
  const open = new Set(
    choices.map((choice, index) => ({ index, choice, pieces: piecesOf(choice).values() })),
  );
  if (chunks.begin !== undefined) {
    for (const { index } of open) yield event(chunks.begin(call, index));
  }
  for (; open.size > 0; step += 1, atMs += timing.tokenMs) {
    for (const told of open) {
      const { value: piece, done } = told.pieces.next();
      if (done !== true) {
        yield event(chunks.piece(call, told.index, piece));
        continue;
      }
      open.delete(told);
      yield event(chunks.finish(call, told.index, told.choice.finishReason));
    }
  }
  if (call.includesUsage && usage !== null) yield event(chunks.usage(call, usage));
  yield { atMs, step, data: "[DONE]" };
}
