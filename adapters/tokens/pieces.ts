/** Kinds of characters that the pattern of `o200k_base` tells apart, as bits. */
const UPPER = 1; // \p{Lu} \p{Lt}
const LOWER = 2; // \p{Ll}
const LETTER = 4; // \p{Lm} \p{Lo}: counts as upper and as lower
const MARK = 8; // \p{M}: likewise
const DIGIT = 16; // \p{N}
const NEWLINE = 32; // \r \n
const BLANK = 64; // the rest of \s
const OTHER = 128;

const EITHER = LETTER | MARK;
/** May stand once before a word. */
const LEADS_WORD = BLANK | OTHER | MARK;

const KIND_TESTS: readonly [RegExp, number][] = [
  [/[\p{Lu}\p{Lt}]/u, UPPER],
  [/\p{Ll}/u, LOWER],
  [/[\p{Lm}\p{Lo}]/u, LETTER],
  [/\p{M}/u, MARK],
  [/\p{N}/u, DIGIT],
  [/[\r\n]/u, NEWLINE],
  [/\s/u, BLANK],
];

/** By code point; 0: not looked up yet. */
const kinds = new Uint8Array(0x110000);

function lookUpKind(codePoint: number): number {
  const character = String.fromCodePoint(codePoint);
  const kind = KIND_TESTS.find(([test]) => test.test(character))?.[1] ?? OTHER;
  kinds[codePoint] = kind;
  return kind;
}

/** The first half of a character of two UTF-16 code units. */
const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;

/** Of the character at `at`; 0 behind the end. */
function kindAt(text: string, at: number): number {
  if (at >= text.length) return 0;
  const unit = text.charCodeAt(at);
  const codePoint = isHighSurrogate(unit) ? (text.codePointAt(at) ?? unit) : unit;
  return kinds[codePoint] || lookUpKind(codePoint);
}

/** Past the character at `at`. */
function next(text: string, at: number): number {
  return isHighSurrogate(text.charCodeAt(at)) && (text.codePointAt(at) ?? 0) > 0xffff
    ? at + 2
    : at + 1;
}

function runEnd(text: string, from: number, wanted: number): number {
  let end = from;
  while ((kindAt(text, end) & wanted) !== 0) end = next(text, end);
  return end;
}

/** Capitals, then at least one small letter; or -1. What counts as both ends a run of capitals that no small letter follows. */
function capitalizedEnd(text: string, from: number): number {
  let end = from;
  let lastEitherEnd = -1;
  for (let kind = kindAt(text, end); (kind & (UPPER | EITHER)) !== 0; kind = kindAt(text, end)) {
    end = next(text, end);
    if ((kind & EITHER) !== 0) lastEitherEnd = end;
  }
  const isSmall = kindAt(text, end) === LOWER;
  return isSmall ? runEnd(text, end, LOWER | EITHER) : lastEitherEnd;
}

/** At least one capital, then small letters; or -1. */
function capitalsEnd(text: string, from: number): number {
  const end = runEnd(text, from, UPPER | EITHER);
  return end === from ? -1 : runEnd(text, end, LOWER | EITHER);
}

/** `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` and `'d` belong to the word before them. */
const CONTRACTION = /'(?:[sſtmd]|re|ve|ll)/iuy;

function contractionEnd(text: string, at: number): number {
  if (text[at] !== "'") return at;
  CONTRACTION.lastIndex = at;
  return CONTRACTION.test(text) ? CONTRACTION.lastIndex : at;
}

/** A word with the one character that may lead it and its contraction; or -1. */
function wordEnd(text: string, from: number, kind: number): number {
  const led = (kind & LEADS_WORD) === 0 ? from : next(text, from);
  let end = capitalizedEnd(text, led);
  if (end === -1 && led !== from) end = capitalizedEnd(text, from);
  if (end === -1) end = capitalsEnd(text, led);
  if (end === -1 && led !== from) end = capitalsEnd(text, from);
  return end === -1 ? -1 : contractionEnd(text, end);
}

/** Up to three digits. */
function numberEnd(text: string, from: number): number {
  let end = from;
  for (let digits = 0; digits < 3 && kindAt(text, end) === DIGIT; digits += 1)
    end = next(text, end);
  return end;
}

/** Punctuation, a blank before it and newlines behind it; or -1. */
function punctuationEnd(text: string, from: number): number {
  const markFrom = text[from] === " " ? from + 1 : from;
  let end = runEnd(text, markFrom, OTHER | MARK);
  if (end === markFrom) return -1;
  while (kindAt(text, end) === NEWLINE || text[end] === "/") end += 1;
  return end;
}

/** Up to the last newline in it; else all but the last character, which leads what follows. */
function whiteSpaceEnd(text: string, from: number): number {
  const end = runEnd(text, from, BLANK | NEWLINE);
  for (let at = end; at > from; at -= 1) if (kindAt(text, at - 1) === NEWLINE) return at;
  return end < text.length && end - from > 1 ? end - 1 : end;
}

/**
 * Where the piece that begins at `from` ends, by the pre-tokenizer of `o200k_base`: its pattern, alternative by alternative, without
 * making strings. An encoder never merges across pieces, so the count of a text is the sum of the counts of its pieces.
 */
export function pieceEnd(text: string, from: number): number {
  const kind = kindAt(text, from);
  const word = (kind & (DIGIT | NEWLINE)) === 0 ? wordEnd(text, from, kind) : -1;
  if (word !== -1) return word;
  if (kind === DIGIT) return numberEnd(text, from);
  const punctuation = punctuationEnd(text, from);
  return punctuation === -1 ? whiteSpaceEnd(text, from) : punctuation;
}

/** How far back a cut may move to find a place where it changes nothing, characters. */
const CUT_SEARCH_CHARS = 256;

/** `at`, or the place before it where that would split a surrogate pair. */
export function wholeCharacters(text: string, at: number): number {
  return isHighSurrogate(text.charCodeAt(at - 1)) ? at - 1 : at;
}

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
  return wholeCharacters(text, limit);
}
