import type { LoadResult } from "../figures.ts";
import type { CallFiles } from "../load/calls.ts";
import type { Pace } from "../load/run-load.ts";
import { median } from "../statistics.ts";
import { type CostRow, countExpected, cpuUsOf, watchCpu } from "./cost.ts";
import type { Session } from "./session.ts";

/** Something that is measured in turn with others, on the same machine and servers. */
interface Contender {
  name: string;
  /** What its process is called in the samples, and in a table of costs. */
  part: string;
  /** Absent: the stack's. */
  url?: string;
}

/** A contender and what was measured of it in all rounds. */
export interface Turns extends Contender {
  loads: LoadResult[];
  cpuSeconds: Map<string, number>;
}

/** Each in turn, round by round, so that whatever else the machine does meets all of them. */
export async function takeTurns(
  session: Pick<Session, "load" | "sampler">,
  contenders: readonly Contender[],
  files: CallFiles,
  rounds: number,
  pace: Pace,
): Promise<Turns[]> {
  const owned = new Set(contenders.map(({ part }) => part));
  const all = contenders.map((one): Turns => ({ ...one, loads: [], cpuSeconds: new Map() }));
  for (let round = 1; round <= rounds; round += 1) {
    for (const { name, part, url, loads, cpuSeconds } of all) {
      const cpuSince = watchCpu(session);
      const to = url === undefined ? pace : { ...pace, url };
      loads.push(await session.load(`${name}, round ${round}`, files, to));
      for (const [used, seconds] of cpuSince()) {
        // The others idle while it is not their turn, which costs a little as well.
        if (used !== part && owned.has(used)) continue;
        cpuSeconds.set(used, (cpuSeconds.get(used) ?? 0) + seconds);
      }
    }
  }
  return all;
}

/** Medians of the rounds; the CPU of all of them. */
export function costOfTurns({ name, loads, cpuSeconds }: Turns): CostRow {
  const middle = (read: (load: LoadResult) => number): number => median(loads.map(read));
  return {
    name,
    perSecond: middle(({ perSecond }) => perSecond),
    latencyMs: {
      p50: middle(({ latencyMs }) => latencyMs.p50),
      p99: middle(({ latencyMs }) => latencyMs.p99),
    },
    cpuUs: cpuUsOf(cpuSeconds, countExpected(loads)),
  };
}

/** How many times as many per second: the median of the rounds' ratios. */
export const ratioOfTurns = (ours: Turns, theirs: Turns): number =>
  median(
    ours.loads.map(({ perSecond }, round) => perSecond / (theirs.loads[round]?.perSecond ?? 1)),
  );
