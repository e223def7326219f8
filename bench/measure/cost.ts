import type { CallFiles } from "../load/calls.ts";
import type { Pace } from "../load/run-load.ts";
import { cpuSecondsByPart } from "../machine/sampler.ts";
import type { Bench } from "./bench.ts";
import type { Loads } from "./loads.ts";
import { labelBackends } from "./postgres.ts";
import type { Session } from "./session.ts";

/** What a request costs. */
export interface Cost {
  /** Answers as expected, per second. */
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** CPU per request, microseconds, by part. */
  cpuUs: ReadonlyMap<string, number>;
}

/** CPU per request of all parts together, microseconds. */
export const wholeUs = ({ cpuUs }: Cost): number =>
  Math.round([...cpuUs.values()].reduce((sum, one) => sum + one, 0));

/** Seconds of CPU by part as CPU per request. */
export function cpuUsOf(seconds: ReadonlyMap<string, number>, requests: number) {
  return new Map([...seconds].map(([part, used]) => [part, (used * 1e6) / Math.max(1, requests)]));
}

/** Runs a load and takes the CPU of its time only, that of PostgreSQL by whom it worked for. */
export async function measureCost(
  session: Session,
  name: string,
  files: CallFiles,
  pace: Pace,
): Promise<Cost> {
  await labelBackends(session);
  const cpuSince = watchCpu(session);
  const { expected, perSecond, latencyMs } = await session.load(name, files, pace);
  const cpuUs = cpuUsOf(cpuSince(), expected);
  return { perSecond, p50Ms: latencyMs.p50, p99Ms: latencyMs.p99, cpuUs };
}

/** From now on: what it returns tells the seconds of CPU by part so far. */
export function watchCpu({ sampler }: Pick<Loads, "sampler">): () => Map<string, number> {
  const since = sampler.samples().at(-1)?.atSeconds ?? 0;
  return () => cpuSecondsByPart(sampler.samples(), since);
}

/**
 * Notes the CPU that each part and all of them together took per request since the samples began. It is much
 * steadier than a rate on a machine that others use as well, and it is what capacity is planned with.
 */
export function noteCosts(
  { figure, sampler }: Pick<Bench, "figure"> & Pick<Loads, "sampler">,
  requests: number,
): void {
  const parts = [...cpuSecondsByPart(sampler.samples())].filter(([, used]) => used > 0);
  if (requests === 0 || parts.length === 0) return;
  const whole = parts.reduce((sum, [, used]) => sum + used, 0);
  const all = [["all parts together", whole] as const, ...parts.sort(([, a], [, b]) => b - a)];
  for (const [part, used] of all)
    figure(`CPU per request: ${part}`, "ms", (used * 1_000) / requests);
}
