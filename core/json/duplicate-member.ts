/**
 * The first member of well-formed JSON that its object has twice, as a JSON pointer; undefined: none.
 * `JSON.parse` keeps the last of them and says nothing, and another parser may keep the first (RFC 8259, 4).
 *
 * `value` is what parsing gave: as many members as there are colons means that none was dropped, which costs
 * a fraction of parsing.
 */
export function findDuplicateMember(text: string, value: unknown): string | undefined {
  return countColons(text) === countMembers(value) ? undefined : searchDuplicate(text);
}

/** Those outside of strings. */
function countColons(text: string): number {
  let count = 0;
  let colon = text.indexOf(":");
  let quote = text.indexOf('"');
  while (colon !== -1) {
    if (quote === -1 || colon < quote) {
      count += 1;
      colon = text.indexOf(":", colon + 1);
      continue;
    }
    const end = stringEnd(text, quote);
    if (colon < end) colon = text.indexOf(":", end);
    quote = text.indexOf('"', end);
  }
  return count;
}

/** Where the string goes on from that begins with the quote at `start`: behind its last one. */
function stringEnd(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let before = quote - 1;
    while (text[before] === "\\") before -= 1;
    if ((quote - before) % 2 === 1) return quote + 1;
  }
}

function countMembers(value: unknown): number {
  let count = 0;
  const left = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next !== "object" || next === null) continue;
    const items: unknown[] = Array.isArray(next) ? next : Object.values(next);
    if (!Array.isArray(next)) count += items.length;
    for (const item of items) if (typeof item === "object" && item !== null) left.push(item);
  }
  return count;
}

interface Level {
  /** Of an object; undefined: an array. */
  seen: Set<string> | undefined;
  /** The place in it that is being read. */
  place: string | number;
}

const TOKEN = /[{}[\],]|"(?:[^"\\]|\\.)*"/gs;

function searchDuplicate(text: string): string | undefined {
  const levels: Level[] = [];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const level = levels.at(-1);
    if (token === "{") levels.push({ seen: new Set(), place: "" });
    else if (token === "[") levels.push({ seen: undefined, place: 0 });
    else if (token === "}" || token === "]") levels.pop();
    else if (token === ",") {
      if (typeof level?.place === "number") level.place += 1;
    } else if (level?.seen !== undefined && isName(text, index + token.length)) {
      const name = JSON.parse(token) as string;
      level.place = name;
      if (level.seen.has(name)) return pointerTo(levels);
      level.seen.add(name);
    }
  }
  return undefined;
}

const COLON = /\s*:/y;

/** Whether a colon follows, with nothing but space before it. */
function isName(text: string, from: number): boolean {
  COLON.lastIndex = from;
  return COLON.test(text);
}

const pointerTo = (levels: readonly Level[]): string =>
  levels
    .map(({ place }) => `/${String(place).replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
