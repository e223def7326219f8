import type { Ranks } from "./ranks.ts";

/** A rank above every token's: the two parts do not merge. */
const NEVER = 0x7fffffff;

/**
 * Tokens of a piece: starts from single bytes and merges the neighbours whose token has the lowest rank,
 * until none is left to merge. This is byte-pair encoding as tiktoken does it
 * (https://github.com/openai/tiktoken, `_byte_pair_merge`), but it only counts.
 */
export type CountMerged = (bytes: Uint8Array, from: number, to: number) => number;

/** For pieces of at most `bytesMax` bytes; the work grows with the square of a piece's length. */
export function createMerge(ranks: Ranks, bytesMax: number): CountMerged {
  /** Where each part begins, and behind the last one where it ends. */
  const starts = new Int32Array(bytesMax + 1);
  /** The rank of each part joined with the next one. */
  const joined = new Int32Array(bytesMax + 1);

  function join(bytes: Uint8Array, part: number, parts: number): void {
    const rank =
      part + 1 < parts ? ranks.find(bytes, starts[part] ?? 0, starts[part + 2] ?? 0) : -1;
    joined[part] = rank === -1 ? NEVER : rank;
  }

  function lowest(parts: number): number {
    let best = 0;
    for (let part = 1; part < parts; part += 1)
      if ((joined[part] ?? NEVER) < (joined[best] ?? NEVER)) best = part;
    return best;
  }

  return (bytes, from, to) => {
    if (ranks.find(bytes, from, to) !== -1) return 1;
    let parts = to - from;
    for (let part = 0; part <= parts; part += 1) starts[part] = from + part;
    for (let part = 0; part < parts; part += 1) join(bytes, part, parts);
    for (let part = lowest(parts); joined[part] !== NEVER; part = lowest(parts)) {
      for (let later = part + 1; later < parts; later += 1) {
        starts[later] = starts[later + 1] ?? 0;
        joined[later] = joined[later + 1] ?? NEVER;
      }
      parts -= 1;
      join(bytes, part, parts);
      if (part > 0) join(bytes, part - 1, parts);
    }
    return parts;
  };
}
