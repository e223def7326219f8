import type { LoadResult, Percentiles } from "../figures.ts";
import type { LoadWish, Session } from "../scenarios/session.ts";
import { cpuSecondsByPart } from "../stack/sampler.ts";
import { labelBackends } from "./servers.ts";

/** What a request costs at one size. */
export interface Cost {
  /** Answers as expected, per second. */
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** CPU per request, microseconds, by part. */
  cpuUs: ReadonlyMap<string, number>;
}

/** Runs a load and takes the CPU of its time only, that of PostgreSQL by whom it worked for. */
export async function measureCost(session: Session, wish: LoadWish): Promise<Cost> {
  await labelBackends(session);
  const since = session.stack.samples().at(-1)?.atSeconds ?? 0;
  const load = await session.load(wish);
  return costOf(load, cpuSecondsByPart(session.stack.samples(), since));
}

export function costOf(
  {
    expected,
    perSecond,
    latencyMs,
  }: Pick<LoadResult, "expected" | "perSecond"> & { latencyMs: Pick<Percentiles, "p50" | "p99"> },
  cpuSeconds: ReadonlyMap<string, number>,
): Cost {
  const requests = Math.max(1, expected);
  const cpuUs = new Map([...cpuSeconds].map(([part, used]) => [part, (used * 1e6) / requests]));
  return { perSecond, p50Ms: latencyMs.p50, p99Ms: latencyMs.p99, cpuUs };
}
