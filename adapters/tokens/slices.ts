/** How far back a cut may move to find a place where it changes nothing, characters. */
const CUT_SEARCH_CHARS = 256;

/**
 * Returns where to end a slice of a text that starts at `from` and should have at most `charsMax` UTF-16 code
 * units. Prefers a place between a letter or digit and a space, where the pieces are the same with and
 * without the cut; never splits a character.
 */
export function sliceEnd(text: string, from: number, charsMax: number): number {
  const limit = from + charsMax;
  if (limit >= text.length) return text.length;
  for (let at = limit; at > limit - CUT_SEARCH_CHARS && at > from + 1; at -= 1) {
    if (text[at] === " " && /[\p{L}\p{N}]/u.test(text[at - 1] ?? "")) return at;
  }
  return isHighSurrogate(text.charCodeAt(limit - 1)) ? limit - 1 : limit;
}

/** The first half of a character of two code units. */
const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
