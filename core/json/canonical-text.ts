import { itemsOf, type JsonText, membersOf } from "./json-text.ts";

/**
 * JSON in one form for all ways of writing the same value: without spaces, members in order, strings and
 * numbers as JavaScript writes them. A number that JavaScript cannot hold keeps all its digits, so that two
 * values are equal only if they are.
 */
export function canonicalText(json: JsonText): string {
  const text = json.text.trim();
  switch (text.charAt(0)) {
    case "{": {
      // Of a member that is given twice the last one counts, as everywhere.
      const members = [...new Map(membersOf(json))].toSorted(([a], [b]) => (a < b ? -1 : 1));
      const written = members.map(
        ([name, value]) => `${JSON.stringify(name)}:${canonicalText(value)}`,
      );
      return `{${written.join(",")}}`;
    }
    case "[":
      return `[${itemsOf(json).map(canonicalText).join(",")}]`;
    case '"':
      return JSON.stringify(JSON.parse(text));
    default:
      return /^[-\d]/.test(text) ? canonicalNumber(text) : text;
  }
}

function canonicalNumber(text: string): string {
  const held = JSON.stringify(Number(text));
  return held !== "null" && decimalOf(held) === decimalOf(text) ? held : decimalOf(text);
}

/** Sign, digits and exponent, without zeros that say nothing. */
function decimalOf(text: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(text) ?? [];
  const all = `${whole}${fraction}`.replace(/^0+/, "");
  const digits = all.replace(/0+$/, "");
  if (digits === "") return "0";
  const power = BigInt(exponent) - BigInt(fraction.length) + BigInt(all.length - digits.length);
  return `${sign}${digits}e${power}`;
}
