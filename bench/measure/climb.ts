import type { LoadResult } from "../figures.ts";
import type { CallFiles } from "../load/calls.ts";
import type { Pace } from "../load/run-load.ts";
import type { Session } from "./session.ts";

const CONNECTIONS = [8, 16, 32, 64, 128, 256, 512];
const CONNECTIONS_QUICK = [64, 256];
/** A step that reaches less of its rate has met the limit. */
const REACHED_SHARE = 0.9;

/**
 * Open loop at growing rates until one is not reached, over the connections of `pace`, then closed loop at
 * growing numbers of connections.
 */
export async function climb(
  { load, isQuick }: Pick<Session, "load" | "isQuick">,
  files: CallFiles,
  rates: readonly number[],
  pace: Pace,
): Promise<LoadResult[]> {
  const loads: LoadResult[] = [];
  for (const ratePerSecond of rates) {
    const name = `${ratePerSecond.toLocaleString("en")}/s`;
    const result = await load(name, files, { ...pace, ratePerSecond });
    loads.push(result);
    if (result.perSecond < ratePerSecond * REACHED_SHARE) break;
  }
  for (const connections of isQuick ? CONNECTIONS_QUICK : CONNECTIONS)
    loads.push(await load(`${connections} connections`, files, { ...pace, connections }));
  return loads;
}

export const mostPerSecond = (loads: readonly LoadResult[]): number =>
  Math.max(0, ...loads.map(({ perSecond }) => perSecond));

export const FRONTIER_P99_MS = [5, 10, 25, 50, 100] as const;

/** The most per second while the 99th percentile stayed below a bound; 0 when it never did. */
export const frontier = (loads: readonly LoadResult[], p99Ms: number): number =>
  mostPerSecond(loads.filter(({ latencyMs }) => latencyMs.p99 < p99Ms));
