import { memberOf } from "./openai-fields.ts";

const CHARACTERS_MAX = 2_000;
// What is no text: it could move a terminal's cursor or end a line of a log.
const CONTROLS = /[\p{Cc}\p{Cf}\u2028\u2029]+/gu;

/**
 * What a failed reply says in the service's own words, for the caller and the operator: the message of its
 * error where it has one, else the whole body. At most 2,000 characters of valid Unicode without controls;
 * null: it says nothing. It is content, and must be sealed wherever it rests (guarantee I11).
 */
export function theirWords(body: string | null): string | null {
  const words = (body === null ? "" : messageOf(body)).toWellFormed().replace(CONTROLS, " ").trim();
  if (words === "") return null;
  // A character may be two units, and must not be cut in two.
  return words.slice(0, CHARACTERS_MAX).replace(/[\uD800-\uDBFF]$/, "");
}

function messageOf(body: string): string {
  const json = parse(body);
  const error = memberOf(json, "error");
  const found = [
    memberOf(error, "message"),
    error,
    memberOf(json, "message"),
    memberOf(json, "detail"),
  ].find((one) => one !== undefined && one !== null && one !== "");
  if (found === undefined) return body;
  return typeof found === "string" ? found : JSON.stringify(found);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
