/**
 * The pre-tokenizer of `o200k_base`, as tiktoken's own pattern has it, with its case-insensitive group spelt out.
 * A byte-pair encoder never merges across these pieces, so the count of a text is the sum of the counts of its pieces.
 */
const PIECE =
  /[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?:'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?:'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu;

/** Splits a text into the pieces that the encoder treats one by one. */
export function piecesOf(text: string): string[] {
  return text.match(PIECE) ?? [];
}

/** How far back a cut may move to find a place where it changes nothing, characters. */
const CUT_SEARCH_CHARS = 256;

/**
 * Where to end a slice that starts at `from` and should hold at most `charsMax` characters. Prefers a place between a letter or
 * digit and a space, where the pieces are the same with and without the cut; never splits a surrogate pair.
 */
export function sliceEnd(text: string, from: number, charsMax: number): number {
  const limit = from + charsMax;
  if (limit >= text.length) return text.length;
  for (let at = limit; at > limit - CUT_SEARCH_CHARS && at > from + 1; at -= 1) {
    if (text[at] === " " && /[\p{L}\p{N}]/u.test(text[at - 1] ?? "")) return at;
  }
  const last = text.charCodeAt(limit - 1);
  return last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit;
}
