/** Kinds of characters that the pattern of `o200k_base` tells apart, as bits. */
export const UPPER = 1; // \p{Lu} \p{Lt}
export const LOWER = 2; // \p{Ll}
export const LETTER = 4; // \p{Lm} \p{Lo}: counts as upper and as lower
export const MARK = 8; // \p{M}: likewise
export const DIGIT = 16; // \p{N}
export const NEWLINE = 32; // \r \n
export const SPACE = 64;
export const BLANK = 128; // the rest of \s
export const APOSTROPHE = 256;
export const SLASH = 512;
export const OTHER = 1024;

const KIND_TESTS: readonly [RegExp, number][] = [
  [/[\p{Lu}\p{Lt}]/u, UPPER],
  [/\p{Ll}/u, LOWER],
  [/[\p{Lm}\p{Lo}]/u, LETTER],
  [/\p{M}/u, MARK],
  [/\p{N}/u, DIGIT],
  [/[\r\n]/u, NEWLINE],
  [/ /u, SPACE],
  [/\s/u, BLANK],
  [/'/u, APOSTROPHE],
  [/\//u, SLASH],
];

function lookUpKind(codePoint: number): number {
  const character = String.fromCodePoint(codePoint);
  return KIND_TESTS.find(([test]) => test.test(character))?.[1] ?? OTHER;
}

const asciiKinds = Uint16Array.from({ length: 0x80 }, (_, byte) => lookUpKind(byte));
/** Kinds of what is not ASCII, by code point; 0: not looked up yet. */
const kinds = new Uint16Array(0x110000);

/** The characters of a text: what kind each is and where its bytes begin. */
export interface Characters {
  /** Reads `bytes[0, length)`, which is well-formed UTF-8, and returns how many characters it has. */
  read: (bytes: Uint8Array, length: number) => number;
  /** By character; 0 behind the last one. */
  kinds: Uint16Array;
  /** By character; behind the last one, the number of bytes. */
  offsets: Int32Array;
}

/** For texts of at most `bytesMax` bytes. */
export function createCharacters(bytesMax: number): Characters {
  const ownKinds = new Uint16Array(bytesMax + 1);
  const offsets = new Int32Array(bytesMax + 1);

  function read(bytes: Uint8Array, length: number): number {
    let count = 0;
    for (let at = 0; at < length; count += 1) {
      const first = bytes[at] ?? 0;
      offsets[count] = at;
      if (first < 0x80) {
        ownKinds[count] = asciiKinds[first] ?? OTHER;
        at += 1;
        continue;
      }
      // The character has as many bytes as its first one has leading ones.
      const size = Math.clz32(~first << 24);
      let codePoint = first & (0x7f >> size);
      for (let next = at + 1; next < at + size; next += 1)
        codePoint = (codePoint << 6) | ((bytes[next] ?? 0) & 0x3f);
      ownKinds[count] = kinds[codePoint] ||= lookUpKind(codePoint);
      at += size;
    }
    ownKinds[count] = 0;
    offsets[count] = length;
    return count;
  }

  return { read, kinds: ownKinds, offsets };
}
