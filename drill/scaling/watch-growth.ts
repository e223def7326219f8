import type { Scene } from "../scene.ts";
import { until } from "../until.ts";
import { replicasOf, rescalesOf } from "../workload.ts";
import { firstGrowth, type Rescale } from "./rescales.ts";

const LOOK_EVERY_MS = 2_000;

export interface Growth {
  first: Rescale;
  /** From the beginning of the watch to the event. */
  seconds: number;
}

/** Waits until the autoscaler of a workload adds replicas, and says which trigger asked for them. */
export async function watchGrowth(
  scene: Scene,
  name: string,
  sinceMs: number,
  limitMs: number,
): Promise<Growth> {
  const limits = { limitMs, everyMs: LOOK_EVERY_MS, signal: scene.signal };
  const first = await until(`${name} is scaled out`, limits, async () =>
    firstGrowth(await rescalesOf(scene, name), sinceMs),
  );
  const growth = { first, seconds: Math.max(0, (first.atMs - sinceMs) / 1_000) };
  scene.mark(`${name} → ${first.replicas} by ${first.trigger}`);
  return growth;
}

/** The most replicas that a workload has until it has come down to this many. */
export async function watchReturn(
  scene: Scene,
  name: string,
  atLast: number,
  limitMs: number,
): Promise<number> {
  let most = 0;
  const limits = { limitMs, everyMs: LOOK_EVERY_MS, signal: scene.signal };
  await until(`${name} is back at ${atLast}`, limits, async () => {
    const { wanted, ready } = await replicasOf(scene, name);
    most = Math.max(most, wanted);
    return wanted === atLast && ready === atLast ? true : undefined;
  });
  return most;
}
