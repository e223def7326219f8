/** `[[sim:NAME]]` or `[[sim:NAME:NUMBER]]` in a prompt. */
export interface Marker {
  name: string;
  /** null: it has no number. */
  amount: number | null;
}

const OPENING = "[[sim:";
const MARKER = /\[\[sim:([a-z0-9-]+)(?::(\d{1,12}))?\]\]/g;

/** The markers of a prompt, in order. */
export function markersOf(prompt: string): Marker[] {
  // Most prompts have none, and a search is cheaper than the expression.
  if (!prompt.includes(OPENING)) return [];
  return [...prompt.matchAll(MARKER)].map(([, name = "", amount]) => ({
    name,
    amount: amount === undefined ? null : Number(amount),
  }));
}

/** What a good answer can have more than its text, and what the number after the colon means. */
export const WISHES = {
  tool: "calls the first of the tools, or so many of them; in the last message, of the user; :CALLS",
  reason: "reasons for so many tokens before the text; :TOKENS",
  cached: "says that so many tokens of the prompt came from a cache; :TOKENS",
} as const;

/** The number of the first such marker, `fallback` when it has none; null: the prompt has no such marker. */
export function wishOf(prompt: string, wish: keyof typeof WISHES, fallback: number): number | null {
  const found = markersOf(prompt).find(({ name }) => name === wish);
  return found === undefined ? null : (found.amount ?? fallback);
}
