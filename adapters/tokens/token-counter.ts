import o200k from "tiktoken/encoders/o200k_base.json" with { type: "json" };

import { createCharacters } from "./characters.ts";
import { createMerge } from "./merge.ts";
import { createPieceEnd } from "./pieces.ts";
import { readRanks } from "./ranks.ts";
import { sliceEnd } from "./slices.ts";

/**
 * Texts up to this length are counted at once; longer ones in slices with a pause between, so that the loop
 * stays free.
 */
const SLICE_CHARS = 4_096;
/** At most so many bytes of UTF-8 for one UTF-16 code unit. */
const SLICE_BYTES = SLICE_CHARS * 3;
/**
 * Merging is quadratic in the length of one piece; longer pieces are cut here. 256 keeps the error below 0.2
 * %.
 */
const PIECE_CHARS_MAX = 256;
/** At most so many bytes of UTF-8 for one character. */
const PIECE_BYTES_MAX = PIECE_CHARS_MAX * 4;

export interface TokenCounter {
  /** Tokens of a text in `o200k_base`: at once for short texts, in slices for long ones. */
  count: (text: string) => number | Promise<number>;
}

/**
 * Counts tokens exactly as tiktoken does, in a tenth of its memory and without its traps: no input blocks the
 * event loop. Exact except inside runs of more than 256 characters without a boundary and where a long text
 * had to be cut in such a run.
 */
export function createTokenCounter(): TokenCounter {
  const countMerged = createMerge(readRanks(o200k.bpe_ranks), PIECE_BYTES_MAX);
  const characters = createCharacters(SLICE_BYTES);
  const pieceEnd = createPieceEnd(characters);
  const encoder = new TextEncoder();
  const bytes = new Uint8Array(SLICE_BYTES);

  function countSlice(text: string): number {
    const length = characters.read(bytes, encoder.encodeInto(text, bytes).written);
    const { offsets } = characters;
    let total = 0;
    for (let from = 0; from < length;) {
      const end = Math.min(pieceEnd(bytes, from), from + PIECE_CHARS_MAX);
      total += countMerged(bytes, offsets[from] ?? 0, offsets[end] ?? 0);
      from = end;
    }
    return total;
  }

  async function countInSlices(text: string): Promise<number> {
    let total = 0;
    for (let from = 0; from < text.length;) {
      const end = sliceEnd(text, from, SLICE_CHARS);
      total += countSlice(text.slice(from, end));
      from = end;
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
    return total;
  }

  return { count: (text) => (text.length <= SLICE_CHARS ? countSlice(text) : countInSlices(text)) };
}
