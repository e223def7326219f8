import type { Sifted } from "../../adapters/amqp/inspect.ts";
import { formatCount } from "../../adapters/terminal/table.ts";
import type { DeadLetter } from "./dead-letters.ts";
import { fitsFilter, type LetterFilter } from "./letter-filter.ts";
import type { Retried } from "./retry-letter.ts";

/** What became of many letters. */
export interface RetriedLetters {
  /** Old id and new. */
  renewed: { from: string; to: string }[];
  /** Ids of requests that go on. */
  resumed: string[];
  refused: { id: string; reason: string }[];
  impossible: { id: string | null; reason: string }[];
}

/**
 * Returns what to do with each letter that is shown, in the order of the queue, and what came of all. A
 * further copy of a letter that was retried goes with it. After a refusal by the quota the user's other
 * letters stay without being tried.
 */
export function createRetryAll(
  filter: LetterFilter,
  retry: (letter: DeadLetter) => Promise<Retried>,
  onTried: (tried: number) => void,
): { sift: (letter: DeadLetter) => Promise<Sifted>; outcome: RetriedLetters } {
  const outcome: RetriedLetters = { renewed: [], resumed: [], refused: [], impossible: [] };
  const done = new Set<string>();
  const overQuota = new Map<string, string>();
  let tried = 0;

  async function tryIt(letter: DeadLetter): Promise<Sifted> {
    const { id } = letter;
    const userId = letter.content.kind === "unreadable" ? "" : letter.content.head.userId;
    const refused = overQuota.get(userId);
    if (refused !== undefined && id !== null) {
      outcome.refused.push({ id, reason: refused });
      return "leave";
    }
    const retried = await retry(letter);
    switch (retried.kind) {
      case "new":
        outcome.renewed.push({ from: id ?? "", to: retried.newId });
        break;
      case "same":
        outcome.resumed.push(id ?? "");
        break;
      case "refused":
        outcome.refused.push({ id: id ?? "", reason: retried.failure.message });
        if (retried.isQuota) overQuota.set(userId, retried.failure.message);
        return "leave";
      case "impossible":
        outcome.impossible.push({ id, reason: retried.reason });
        return "leave";
    }
    if (id !== null) done.add(id);
    return "take";
  }

  return {
    outcome,
    sift: async (letter) => {
      if (letter.id !== null && done.has(letter.id)) return "take";
      if (!fitsFilter(letter, filter)) return "leave";
      const sifted = await tryIt(letter);
      tried += 1;
      onTried(tried);
      return sifted;
    },
  };
}

/** `12 sent as new requests, 3 go on under their ids, 2 refused`, and why. */
export function describeRetried(outcome: RetriedLetters): string {
  const { renewed, resumed, refused, impossible } = outcome;
  const lines = [
    `${formatCount(renewed.length, "letter")} sent as new requests; what had ended stays as it ended`,
  ];
  if (resumed.length > 0)
    lines.push(`${formatCount(resumed.length, "open request")} wait for their turn again`);
  if (refused.length > 0) lines.push(`${formatCount(refused.length, "letter")} refused and kept:`);
  lines.push(...reasonsOf(refused));
  if (impossible.length > 0)
    lines.push(`${formatCount(impossible.length, "letter")} cannot be retried, and kept:`);
  lines.push(...reasonsOf(impossible));
  return lines.join("\n");
}

const REASONS_SHOWN = 5;

/** The most frequent reasons, with how often. */
function reasonsOf(kept: readonly { reason: string }[]): string[] {
  const counts = new Map<string, number>();
  for (const { reason } of kept) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, REASONS_SHOWN)
    .map(([reason, count]) => `  ${count} × ${reason}`);
}
