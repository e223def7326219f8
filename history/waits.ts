import { percentile } from "../local/percentile.ts";
import type { RequestFact } from "./facts.ts";
import type { Operation } from "./operations.ts";

/** How long requests may take from their acceptance to their end, milliseconds. */
export interface WaitBound {
  /** Each of them. */
  msMax?: number;
  /** Half of them. */
  p50MsMax?: number;
}

export interface Waits {
  count: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/** How long the operations of each group took, by the clocks of the servers; those that have ended. */
export function waitsOf(
  owned: ReadonlyMap<string, Operation>,
  requests: readonly RequestFact[],
): Record<string, Waits> {
  const byGroup = new Map<string, number[]>();
  for (const { requestId, createdAtMs, completedAtMs } of requests) {
    const group = owned.get(requestId)?.group ?? null;
    if (group === null || completedAtMs === null) continue;
    byGroup.set(group, [...(byGroup.get(group) ?? []), completedAtMs - createdAtMs]);
  }
  return Object.fromEntries([...byGroup].map(([group, ms]) => [group, describeWaits(ms)]));
}

function describeWaits(unsorted: readonly number[]): Waits {
  const sorted = unsorted.toSorted((a, b) => a - b);
  const at = (share: number): number => Math.round(percentile(sorted, share));
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

/** Groups that took longer than they may; a group of which nothing has ended proves nothing. */
export function findLate(
  waits: Readonly<Record<string, Waits>>,
  bounds: Readonly<Record<string, WaitBound>>,
): string[] {
  return Object.entries(bounds).flatMap(([group, { msMax, p50MsMax }]) => {
    const found = waits[group];
    if (found === undefined) return [`${group}: nothing of it has ended`];
    const { maxMs, p50Ms } = found;
    return [
      ...(msMax !== undefined && maxMs > msMax ? [`${group}: ${maxMs} ms, allowed ${msMax}`] : []),
      ...(p50MsMax !== undefined && p50Ms > p50MsMax
        ? [`${group}: half of it took ${p50Ms} ms or more, allowed ${p50MsMax}`]
        : []),
    ];
  });
}
