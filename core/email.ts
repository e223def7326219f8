/**
 * RFC 5321 without quoted local parts and address literals, and RFC 6531: letters of any script. What
 * separates or hides addresses (blanks, commas, brackets, quotes, controls, direction marks) is in none.
 */
const ATOM = /(?:[\w!#$%&'*+\-/=?^`{|}~]|(?![\p{C}\p{Z}])[^\0-\x7F])+/u.source;
const LABEL = /[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?/u.source;
const EMAIL = new RegExp(`^${ATOM}(?:\\.${ATOM})*@${LABEL}(?:\\.${LABEL})*$`, "u");

/** As the table of users has it, in characters. */
const LENGTH_MAX = 320;

export const isEmail = (text: string): boolean => text.length <= LENGTH_MAX && EMAIL.test(text);

/** Written I as capital, but no i to those who write it; the folding of Unicode keeps it apart as well. */
const DOTLESS_I = "ı";

/**
 * What all spellings of one email have in common: Unicode's full case folding, composed (NFC). Only for
 * comparing. It stands here and not in SQL because what lower() does there depends on the collation of the
 * database.
 */
export const foldEmail = (email: string): string =>
  email.normalize("NFC").split(DOTLESS_I).map(foldCase).join(DOTLESS_I).normalize("NFC");

/** Capitals in between: ß, ẞ and SS are one only there, as are σ and ς. */
const foldCase = (text: string): string => text.toLowerCase().toUpperCase().toLowerCase();
