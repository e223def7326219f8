import type { LoadResult } from "../figures.ts";
import type { CallFiles } from "../load/calls.ts";
import type { Pace } from "../load/run-load.ts";
import { median } from "../statistics.ts";
import { countExpected } from "./climb.ts";
import { type Cost, cpuUsOf, watchCpu } from "./cost.ts";
import type { Loads } from "./loads.ts";

/** Something that is measured in turn with others, on the same machine and servers. */
export interface Contender {
  title: string;
  /** What its process is called in the samples, and in a table of costs. */
  part: string;
  column: string;
  files: CallFiles;
  /** Absent: the stack's. */
  url?: string;
  loads: LoadResult[];
  cpuSeconds: Map<string, number>;
}

export const contender = (one: Omit<Contender, "loads" | "cpuSeconds">): Contender => ({
  ...one,
  loads: [],
  cpuSeconds: new Map(),
});

/** Each in turn, round by round, so that whatever else the machine does meets all of them. */
export async function takeTurns(
  loads: Loads,
  contenders: readonly Contender[],
  rounds: number,
  pace: Pace,
): Promise<void> {
  const owned = new Set(contenders.map(({ part }) => part));
  for (let round = 1; round <= rounds; round += 1) {
    for (const one of contenders) {
      const cpuSince = watchCpu(loads);
      one.loads.push(await loads.load(`${one.title}, round ${round}`, one.files, pace, one.url));
      for (const [part, used] of cpuSince()) {
        // The others idle while it is not their turn, which costs a little as well.
        if (part !== one.part && owned.has(part)) continue;
        const column = part === one.part ? one.column : part;
        one.cpuSeconds.set(column, (one.cpuSeconds.get(column) ?? 0) + used);
      }
    }
  }
}

/** Medians of the rounds; the CPU of all of them. */
export function costOfTurns({ loads, cpuSeconds }: Contender): Cost {
  const middle = (read: (load: LoadResult) => number): number => median(loads.map(read));
  return {
    perSecond: middle(({ perSecond }) => perSecond),
    p50Ms: middle(({ latencyMs }) => latencyMs.p50),
    p99Ms: middle(({ latencyMs }) => latencyMs.p99),
    cpuUs: cpuUsOf(cpuSeconds, countExpected(loads)),
  };
}

/** How many times as many per second: the median of the rounds' ratios. */
export const ratioOfTurns = (ours: Contender, theirs: Contender): number =>
  median(
    ours.loads.map(({ perSecond }, round) => perSecond / (theirs.loads[round]?.perSecond ?? 1)),
  );
