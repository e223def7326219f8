import {
  APOSTROPHE,
  BLANK,
  type Characters,
  DIGIT,
  LETTER,
  LOWER,
  MARK,
  NEWLINE,
  OTHER,
  SLASH,
  SPACE,
  UPPER,
} from "./characters.ts";

const EITHER = LETTER | MARK;
const WHITE_SPACE = SPACE | BLANK;
const PUNCTUATION = APOSTROPHE | SLASH | OTHER;
/** May stand once before a word. */
const LEADS_WORD = WHITE_SPACE | PUNCTUATION | MARK;

/**
 * Where the piece ends that begins at the character `from`, by the pre-tokenizer of `o200k_base`: its
 * pattern, alternative by alternative, without making strings. An encoder never merges across pieces, so the
 * count of a text is the sum of the counts of its pieces.
 */
export type PieceEnd = (bytes: Uint8Array, from: number) => number;

/** For the text that `characters` has read. */
export function createPieceEnd({ kinds, offsets }: Characters): PieceEnd {
  const kindAt = (at: number): number => kinds[at] ?? 0;

  function runEnd(from: number, wanted: number): number {
    let end = from;
    while ((kindAt(end) & wanted) !== 0) end += 1;
    return end;
  }

  /**
   * Capitals, then at least one small letter; or -1. What counts as both ends a run of capitals that no small
   * letter follows.
   */
  function capitalizedEnd(from: number): number {
    let end = from;
    let lastEitherEnd = -1;
    for (let kind = kindAt(end); (kind & (UPPER | EITHER)) !== 0; kind = kindAt(end)) {
      end += 1;
      if ((kind & EITHER) !== 0) lastEitherEnd = end;
    }
    return kindAt(end) === LOWER ? runEnd(end, LOWER | EITHER) : lastEitherEnd;
  }

  /** At least one capital, then small letters; or -1. */
  function capitalsEnd(from: number): number {
    const end = runEnd(from, UPPER | EITHER);
    return end === from ? -1 : runEnd(end, LOWER | EITHER);
  }

  /**
   * `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` and `'d` belong to the word before them, in any case; so does `'ſ`,
   * an old `s`.
   */
  function contractionEnd(bytes: Uint8Array, at: number): number {
    const isLetter = (kindAt(at + 1) & (UPPER | LOWER)) !== 0;
    if (kindAt(at) !== APOSTROPHE || !isLetter) return at;
    const offset = offsets[at + 1] ?? 0;
    const letter = lowerCase(bytes, offset);
    const isLongS = bytes[offset] === 0xc5 && bytes[offset + 1] === 0xbf;
    if (isLongS || "stmd".includes(letter)) return at + 2;
    const isPair = (kindAt(at + 2) & (UPPER | LOWER)) !== 0;
    return isPair && PAIRS.has(letter + lowerCase(bytes, offset + 1)) ? at + 3 : at;
  }

  /** A word with the one character that may lead it and its contraction; or -1. */
  function wordEnd(bytes: Uint8Array, from: number, kind: number): number {
    const led = (kind & LEADS_WORD) === 0 ? from : from + 1;
    let end = capitalizedEnd(led);
    if (end === -1 && led !== from) end = capitalizedEnd(from);
    if (end === -1) end = capitalsEnd(led);
    if (end === -1 && led !== from) end = capitalsEnd(from);
    return end === -1 ? -1 : contractionEnd(bytes, end);
  }

  /** Up to three digits. */
  function numberEnd(from: number): number {
    let end = from + 1;
    while (end < from + 3 && kindAt(end) === DIGIT) end += 1;
    return end;
  }

  /** Punctuation, a space before it and newlines and slashes behind it; or -1. */
  function punctuationEnd(from: number): number {
    const markFrom = kindAt(from) === SPACE ? from + 1 : from;
    const end = runEnd(markFrom, PUNCTUATION | MARK);
    return end === markFrom ? -1 : runEnd(end, NEWLINE | SLASH);
  }

  /** Up to the last newline in it; else all but the last character, which leads what follows. */
  function whiteSpaceEnd(from: number): number {
    const end = runEnd(from, WHITE_SPACE | NEWLINE);
    for (let at = end; at > from; at -= 1) if (kindAt(at - 1) === NEWLINE) return at;
    const isFollowed = kindAt(end) !== 0;
    return isFollowed && end - from > 1 ? end - 1 : end;
  }

  /** Most pieces: a word in small letters, at most its first one a capital, and a space before it; or -1. */
  function plainWordEnd(from: number): number {
    const first = kindAt(from) === SPACE ? from + 1 : from;
    if ((kindAt(first) & (UPPER | LOWER)) === 0) return -1;
    let end = first + 1;
    while (kindAt(end) === LOWER) end += 1;
    const isPlain = kindAt(end - 1) === LOWER && (kindAt(end) & (EITHER | APOSTROPHE)) === 0;
    return isPlain ? end : -1;
  }

  return (bytes, from) => {
    const plain = plainWordEnd(from);
    if (plain !== -1) return plain;
    const kind = kindAt(from);
    const word = (kind & (DIGIT | NEWLINE)) === 0 ? wordEnd(bytes, from, kind) : -1;
    if (word !== -1) return word;
    if (kind === DIGIT) return numberEnd(from);
    const punctuation = punctuationEnd(from);
    return punctuation === -1 ? whiteSpaceEnd(from) : punctuation;
  };
}

const PAIRS: ReadonlySet<string> = new Set(["re", "ve", "ll"]);

/** The small letter of an ASCII letter; of anything else, something meaningless. */
const lowerCase = (bytes: Uint8Array, at: number): string =>
  String.fromCharCode((bytes[at] ?? 0) | 0x20);
