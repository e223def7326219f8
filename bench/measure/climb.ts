import type { LoadResult } from "../figures.ts";
import type { CallFiles } from "../load/calls.ts";
import type { Loads } from "./loads.ts";
import type { Session } from "./session.ts";

/**
 * Loads every user's key and quota into the caches, and lasts until Bun has compiled what runs often: cold
 * code costs half as much again.
 */
const WARM_UP = { ratePerSecond: 1_200, seconds: 5, connections: 64 };

/** Calls that are not measured; their samples are left out. */
export async function warmUp(session: Session, bodies: readonly unknown[]): Promise<void> {
  await session.unmeasured(session.generate(bodies), WARM_UP);
  session.sampler.restart();
}

export const CONNECTIONS = [8, 16, 32, 64, 128, 256, 512] as const;
export const CONNECTIONS_QUICK = [64, 256] as const;
/** A step that reaches less of its rate has met the limit. */
const REACHED_SHARE = 0.9;

export interface Climb {
  rates: readonly number[];
  /** Connections of the loads at a rate. */
  connectionsAtRate: number;
  connections: readonly number[];
  /** Of each load. */
  seconds: number;
  status?: number;
}

/**
 * Open loop at growing rates until one is not reached, then closed loop at growing numbers of connections.
 */
export async function climb(
  { load }: Pick<Loads, "load">,
  files: CallFiles,
  { rates, connectionsAtRate, connections: steps, ...pace }: Climb,
): Promise<LoadResult[]> {
  const loads: LoadResult[] = [];
  for (const ratePerSecond of rates) {
    const name = `${ratePerSecond.toLocaleString("en")}/s`;
    const at = { ...pace, ratePerSecond, connections: connectionsAtRate };
    const result = await load(name, files, at);
    loads.push(result);
    if (result.perSecond < ratePerSecond * REACHED_SHARE) break;
  }
  for (const connections of steps)
    loads.push(await load(`${connections} connections`, files, { ...pace, connections }));
  return loads;
}

export const mostPerSecond = (loads: readonly LoadResult[]): number =>
  Math.max(0, ...loads.map(({ perSecond }) => perSecond));

export const countExpected = (loads: readonly LoadResult[]): number =>
  loads.reduce((sum, { expected }) => sum + expected, 0);

export const FRONTIER_P99_MS = [5, 10, 25, 50, 100] as const;

/** The most per second while the 99th percentile stayed below a bound; 0 when it never did. */
export const frontier = (loads: readonly LoadResult[], p99Ms: number): number =>
  mostPerSecond(loads.filter(({ latencyMs }) => latencyMs.p99 < p99Ms));
