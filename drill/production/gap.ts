import type { HistoryEvent } from "../../history/history.ts";

/** How callers met a failure. */
export interface Gap {
  /** The longest time without an accept, seconds. */
  seconds: number;
  accepts: number;
  /** Calls that were refused, and those whose end the caller does not know. */
  refused: number;
  unknown: number;
}

/** Of the calls of a stretch, Unix milliseconds. */
export async function gapIn(
  events: AsyncIterable<HistoryEvent>,
  fromMs: number,
  toMs: number,
): Promise<Gap> {
  const accepts: number[] = [];
  let refused = 0;
  let unknown = 0;
  for await (const { wallMs, type, ...event } of events) {
    if (wallMs < fromMs || wallMs > toMs || event.act !== "generate") continue;
    if (type === "ok") accepts.push(wallMs);
    if (type === "fail") refused += 1;
    if (type === "info") unknown += 1;
  }
  const moments = [fromMs, ...accepts.sort((a, b) => a - b), toMs];
  const longestMs = moments.reduce(
    (longest, moment, index) => Math.max(longest, moment - (moments[index - 1] ?? moment)),
    0,
  );
  return { seconds: longestMs / 1_000, accepts: accepts.length, refused, unknown };
}
