import { lineTimeMs } from "./line-time.ts";

export interface LogLine {
  /** Which log it is from. */
  name: string;
  line: string;
}

/** Brings the lines of several logs into the order of their times. */
export interface LineMerge {
  /** Lines of one log, in its order, which were read at `readAtMs` (Unix milliseconds). */
  add: (name: string, lines: readonly string[], readAtMs: number) => void;
  /** Takes out the lines up to a time, oldest first. */
  take: (untilMs: number) => LogLine[];
}

/**
 * A line without a time, such as those of a stack trace, stays behind the one before it. No line is younger
 * than the moment it was read: one whose clock is ahead would be waited for. Within a log the order of the
 * file stands.
 */
export function createLineMerge(): LineMerge {
  const lastMs = new Map<string, number>();
  let kept: (LogLine & { atMs: number })[] = [];

  return {
    add: (name, lines, readAtMs) => {
      let beforeMs = lastMs.get(name);
      for (const [at, line] of lines.entries()) {
        const saidMs = lineTimeMs(line) ?? beforeMs ?? firstTimeMs(lines.slice(at)) ?? readAtMs;
        const atMs = Math.max(Math.min(saidMs, readAtMs), beforeMs ?? -Infinity);
        kept.push({ name, line, atMs });
        beforeMs = atMs;
      }
      if (beforeMs !== undefined) lastMs.set(name, beforeMs);
    },
    take: (untilMs) => {
      const due = kept.filter(({ atMs }) => atMs <= untilMs);
      kept = kept.filter(({ atMs }) => atMs > untilMs);
      // Equal times stay in the order in which they came: sorting is stable.
      return due.sort((a, b) => a.atMs - b.atMs).map(({ name, line }) => ({ name, line }));
    },
  };
}

function firstTimeMs(lines: readonly string[]): number | undefined {
  for (const line of lines) {
    const ms = lineTimeMs(line);
    if (ms !== undefined) return ms;
  }
  return undefined;
}
