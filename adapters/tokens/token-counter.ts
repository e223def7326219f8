import o200k from "tiktoken/encoders/o200k_base.json" with { type: "json" };
import { Tiktoken } from "tiktoken/lite";

import { piecesOf, sliceEnd } from "./pieces.ts";

/** Texts up to this length are counted at once; longer ones in slices with a pause between, so that the loop stays free. */
const SLICE_CHARS = 4_096;
/** tiktoken is quadratic in the length of one piece; longer pieces are cut here. 256 keeps the error below 0.2 %. */
const PIECE_CHARS_MAX = 256;
/** Pieces this short repeat across texts; longer ones are not worth a place in the cache. */
const CACHED_PIECE_CHARS_MAX = 24;
/** Two generations of this many pieces are kept: about 5 MB. */
const CACHE_GENERATION_MAX = 32_768;

export interface TokenCounter {
  /** Tokens of a text in `o200k_base`: at once for short texts, in slices for long ones. */
  count: (text: string) => number | Promise<number>;
}

/**
 * Counts tokens exactly as tiktoken does, without its traps: pieces are cached (words repeat), and no input blocks the event loop.
 * Exact except inside runs of more than 256 characters without a boundary and where a long text had to be cut in such a run.
 */
export function createTokenCounter(): TokenCounter {
  const encoder = new Tiktoken(o200k.bpe_ranks, o200k.special_tokens, o200k.pat_str);
  let young = new Map<string, number>();
  let old = new Map<string, number>();

  function encodeLong(piece: string): number {
    let total = 0;
    for (let from = 0; from < piece.length;) {
      const end = sliceEnd(piece, from, PIECE_CHARS_MAX);
      total += encoder.encode_ordinary(piece.slice(from, end)).length;
      from = end;
    }
    return total;
  }

  function countPiece(piece: string): number {
    if (piece.length > CACHED_PIECE_CHARS_MAX) return encodeLong(piece);
    const known = young.get(piece) ?? old.get(piece);
    if (known !== undefined) return known;
    const tokens = encoder.encode_ordinary(piece).length;
    if (young.size >= CACHE_GENERATION_MAX) {
      old = young;
      young = new Map();
    }
    young.set(piece, tokens);
    return tokens;
  }

  function countSlice(text: string): number {
    let total = 0;
    for (const piece of piecesOf(text)) total += countPiece(piece);
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
