/**
 * A JSON value as somebody wrote it. Parsing and writing it again would change numbers (12345678901234567890,
 * 1.0), the order of members named like numbers, and members given twice; what callers and ML services wrote
 * is passed on in their own words instead (guarantee I16).
 */
export class JsonText {
  /** Well-formed JSON. */
  readonly text: string;
  #value: unknown;

  /** `value`: what parsing it gives, where that is known already. */
  constructor(text: string, value?: unknown) {
    this.text = text;
    this.#value = value;
  }

  /** The value as JavaScript can hold it; not to be changed. */
  parse(): unknown {
    this.#value ??= JSON.parse(this.text);
    return this.#value;
  }

  /** A value of ours as JSON. */
  static of(value: unknown): JsonText {
    return new JsonText(writeJson(value));
  }
}

/** A value as JSON; every `JsonText` in it stands as it was written. Undefined members are left out. */
export function writeJson(value: unknown): string {
  if (value instanceof JsonText) return value.text;
  if (Array.isArray(value)) return `[${value.map((item) => writeJson(item ?? null)).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return writeMembers(Object.entries(value));
}

/** An object of these members, in this order. */
export function writeMembers(members: Iterable<readonly [string, unknown]>): string {
  const written: string[] = [];
  for (const [name, member] of members)
    if (member !== undefined) written.push(`${JSON.stringify(name)}:${writeJson(member)}`);
  return `{${written.join(",")}}`;
}

/** The members of an object in the order in which they are written; none of anything else. */
export function membersOf({ text }: JsonText): [string, JsonText][] {
  const members: [string, JsonText][] = [];
  eachPart(text, "{", (start) => {
    const nameEnd = endOfString(text, start);
    const valueStart = skipSpace(text, skipSpace(text, nameEnd) + 1);
    const end = endOfValue(text, valueStart);
    const name = JSON.parse(text.slice(start, nameEnd)) as string;
    members.push([name, new JsonText(text.slice(valueStart, end))]);
    return end;
  });
  return members;
}

/** The items of an array; none of anything else. */
export function itemsOf({ text }: JsonText): JsonText[] {
  const items: JsonText[] = [];
  eachPart(text, "[", (start) => {
    const end = endOfValue(text, start);
    items.push(new JsonText(text.slice(start, end)));
    return end;
  });
  return items;
}

/** The member of that name that `JSON.parse` would take: the last one. */
export function memberOf(text: JsonText, name: string): JsonText | undefined {
  return membersOf(text).findLast(([known]) => known === name)?.[1];
}

/** Calls back with the start of each part of an object or array; is told where it ends. */
function eachPart(text: string, opening: "{" | "[", part: (start: number) => number): void {
  let at = skipSpace(text, 0);
  if (text[at] !== opening) return;
  at = skipSpace(text, at + 1);
  while (at < text.length && text[at] !== "}" && text[at] !== "]") {
    at = skipSpace(text, part(at));
    if (text[at] === ",") at = skipSpace(text, at + 1);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const SPACE = 0x20;

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) <= SPACE) at += 1;
  return at;
}

/** Behind the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    if (quote === -1) return text.length;
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
  }
}

const isOpening = (code: number): boolean => code === 0x7b || code === 0x5b;
const isClosing = (code: number): boolean => code === 0x7d || code === 0x5d;

function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return endOfString(text, start);
  let at = start;
  if (!isOpening(first)) {
    for (; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code === COMMA || code <= SPACE || isClosing(code)) break;
    }
    return at;
  }
  let depth = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    at += 1;
    if (isOpening(code)) depth += 1;
    else if (isClosing(code)) depth -= 1;
    if (depth === 0) break;
  }
  return at;
}
