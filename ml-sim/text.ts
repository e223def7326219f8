import { seededRandom } from "./faults.ts";

const WORDS = (
  "the a this that each some quiet bright narrow open slow plain early distant river gate lamp stone " +
  "bridge ledger window harbour signal garden letter engine valley market corner forest holds keeps " +
  "opens counts follows carries answers waits turns finds gives takes marks under over beside behind " +
  "across without before after until and or then while because"
).split(" ");

/** Output is cut from one long text of this many words, so that making it costs one slice. */
const TEXT_WORDS = 65_536;

const offsets: number[] = [];
const longText = buildText();

function buildText(): string {
  const random = seededRandom(20_261_121);
  const words: string[] = [];
  let length = 0;
  for (let i = 0; i < TEXT_WORDS; i += 1) {
    const word = `${WORDS[Math.floor(random() * WORDS.length)] ?? ""} `;
    offsets.push(length);
    words.push(word);
    length += word.length;
  }
  return words.join("");
}

/** What the simulator calls a prompt token: four UTF-16 units, begun ones counted, and one at least. */
export function countPromptTokens(prompt: string): number {
  return Math.max(1, Math.ceil(prompt.length / 4));
}

/** A text in pieces of one word each, with the blanks before it: its output tokens. */
export function wordsOf(text: string): string[] {
  return text.match(/\s*\S+|\s+$/gu) ?? [];
}

export interface Output {
  /** One word per token. */
  text: string;
  tokens: number;
  finishReason: string;
}

/** The output that a prompt always leads to, cut at `maxTokens`. Choices of a call differ by their index. */
export function makeOutput(
  prompt: string,
  index: number,
  maxTokens: number,
  range: { min: number; max: number },
): Output {
  const hash = Bun.hash.xxHash32(prompt, index);
  const max = Math.max(range.min, range.max);
  const wanted = range.min + (hash % (max - range.min + 1));
  const tokens = Math.min(wanted, maxTokens, TEXT_WORDS - 1);
  const first = (hash >>> 8) % (TEXT_WORDS - tokens);
  const text = longText.slice(offsets[first], offsets[first + tokens]).trimEnd();
  return { text, tokens, finishReason: wanted > maxTokens ? "length" : "stop" };
}
