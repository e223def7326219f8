/**
 * Characters that a terminal obeys instead of showing: controls (ESC, CSI, newline), marks that turn the
 * direction of text, and other invisible ones. The joiners U+200C and U+200D stay: Persian words and emoji
 * are spelt with them, and all they do is join.
 */
const OBEYED = /(?!\u200C|\u200D)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const OBEYED_IN_TEXT = /(?!\u200C|\u200D|\n|\t)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** As JSON spells them, so that JSON stays JSON with the same meaning. */
const escapeUnits = (character: string): string =>
  Array.from({ length: character.length }, (_, at) => {
    const unit = character.charCodeAt(at).toString(16);
    return `\\u${unit.padStart(4, "0")}`;
  }).join("");

/**
 * A name, an email, a model or whatever else somebody else chose, on one line, as it may be shown in a
 * terminal: a newline in it would forge a row of a table, an escape sequence would command the terminal.
 */
export const printable = (text: string): string => text.replaceAll(OBEYED, escapeUnits);

/** The same for text of several lines, which keeps its newlines and tabs. */
export const printableText = (text: string): string => text.replaceAll(OBEYED_IN_TEXT, escapeUnits);
