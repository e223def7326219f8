import { itemsOf, JsonText, memberOf, membersOf, writeMembers } from "../json/json-text.ts";
import type { InferenceChoice } from "../request/payload.ts";

/**
 * The `choices` of one piece of a streamed answer, as the ML service wrote them: an array of `{index, delta}`
 * of a chat, or of `{index, text}`, with `finish_reason` and `logprobs`.
 */
export type Piece = JsonText;

/** An answer that comes in pieces, as far as it has come. */
export interface Deltas {
  add: (piece: Piece) => void;
  /** What the pieces come to. */
  choices: () => InferenceChoice[];
  /** Whether every choice that has begun has said why it ended; false before the first. */
  isWhole: () => boolean;
}

/** What a choice has so far. Members of a delta are joined, or the first or the last of them stays. */
interface Choice {
  texts: string[];
  message: Record<string, unknown> | null;
  finishReason: string | null;
  logprobs: Map<string, JsonText[]>;
}

/** Of these the first stays: some services say them with every piece. */
const SAID_ONCE: ReadonlySet<string> = new Set(["role", "id", "type", "name"]);

export function createDeltas(): Deltas {
  const choices = new Map<number, Choice>();

  function choiceOf(index: number): Choice {
    const known = choices.get(index);
    if (known !== undefined) return known;
    const made: Choice = { texts: [], message: null, finishReason: null, logprobs: new Map() };
    choices.set(index, made);
    return made;
  }

  function addOne(written: JsonText): void {
    const { index = 0, text, delta, finish_reason } = written.parse() as WrittenDelta;
    const choice = choiceOf(index);
    if (typeof text === "string") choice.texts.push(text);
    if (delta) {
      choice.message ??= {};
      join(choice.message, delta);
    }
    if (typeof finish_reason === "string") choice.finishReason = finish_reason;
    const logprobs = memberOf(written, "logprobs");
    if (logprobs === undefined || logprobs.text === "null") return;
    for (const [name, items] of membersOf(logprobs))
      choice.logprobs.set(name, [...(choice.logprobs.get(name) ?? []), ...itemsOf(items)]);
  }

  return {
    add: (piece) => itemsOf(piece).forEach(addOne),
    choices: () =>
      [...choices]
        .toSorted(([a], [b]) => a - b)
        .map(([index, choice]) => ({ index, ...choiceFrom(choice) })),
    isWhole: () =>
      choices.size > 0 && [...choices.values()].every(({ finishReason }) => finishReason !== null),
  };
}

interface WrittenDelta {
  index?: number;
  text?: string;
  delta?: Record<string, unknown> | null;
  finish_reason?: string | null;
}

function choiceFrom({
  texts,
  message,
  finishReason,
  logprobs,
}: Choice): Omit<InferenceChoice, "index"> {
  const content = message?.["content"];
  const said = typeof content === "string" ? content : "";
  const isPlain = message === null || isOnlyText(message);
  const written = [...logprobs].map(
    ([name, items]) =>
      [name, new JsonText(`[${items.map(({ text }) => text).join(",")}]`)] as const,
  );
  return {
    text: message === null ? texts.join("") : said,
    finish_reason: finishReason,
    ...(isPlain ? {} : { message: JsonText.of({ role: "assistant", content: null, ...message }) }),
    ...(written.length === 0 ? {} : { logprobs: new JsonText(writeMembers(written)) }),
  };
}

function isOnlyText(message: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(message).every(
    ([name, value]) =>
      name === "role" || (name === "content" && typeof value === "string") || value === null,
  );
}

function join(into: Record<string, unknown>, delta: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(delta)) {
    if (name === "index") continue;
    const known = into[name];
    if (known === undefined || known === null)
      into[name] = Array.isArray(value) ? joinItems([], value) : value;
    else if (value === null || SAID_ONCE.has(name)) continue;
    else if (typeof value === "string" && typeof known === "string") into[name] = known + value;
    else if (Array.isArray(value) && Array.isArray(known)) joinItems(known, value);
    else if (isRecord(value) && isRecord(known)) join(known, value);
    else into[name] = value;
  }
}

/** Items with an index, such as tool calls, come in pieces; others are whole. */
function joinItems(into: unknown[], items: readonly unknown[]): unknown[] {
  for (const item of items) {
    const index = isRecord(item) ? item["index"] : undefined;
    if (!isRecord(item) || typeof index !== "number") {
      into.push(item);
      continue;
    }
    const known = into[index];
    if (isRecord(known)) join(known, item);
    else {
      const { index: _, ...rest } = item;
      into[index] = structuredClone(rest);
    }
  }
  return into;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
