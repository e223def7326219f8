import type { ClusterEvent, ScaledObject } from "../kube/resources.ts";

/** A change of replicas, in the words of the autoscaler that made it. */
export interface Rescale {
  /** Unix milliseconds, at whole seconds. */
  atMs: number;
  replicas: number;
  /** The trigger that asked for them; null: none did, as when all of them ask for less. */
  trigger: string | null;
}

const SIZE = /^New size: (\d+); reason: (.*)$/s;
/** KEDA begins the name of a metric with the place of its trigger. */
const OF_TRIGGER = /^external metric s(\d+)-.* above target$/s;
const OF_RESOURCE = /^(cpu|memory) .*above target$/s;

/**
 * What an autoscaler has done by its events, oldest first. The controller names the metric that asked for
 * the most replicas whenever it adds some.
 */
export function readRescales(
  events: readonly ClusterEvent[],
  { spec }: Pick<ScaledObject, "spec">,
): Rescale[] {
  const named = (index: string): string | null => spec.triggers[Number(index)]?.name ?? null;
  return events
    .flatMap(({ reason, message, lastTimestamp, firstTimestamp }) => {
      const [, size, why = ""] = SIZE.exec(message) ?? [];
      if (reason !== "SuccessfulRescale" || size === undefined) return [];
      const [, index] = OF_TRIGGER.exec(why) ?? [];
      const [, resource] = OF_RESOURCE.exec(why) ?? [];
      const trigger = index === undefined ? (resource ?? null) : named(index);
      const atMs = Date.parse(lastTimestamp ?? firstTimestamp ?? "");
      return [{ atMs, replicas: Number(size), trigger }];
    })
    .toSorted((a, b) => a.atMs - b.atMs);
}

/** The first that added replicas since then. */
export function firstGrowth(rescales: readonly Rescale[], sinceMs: number): Rescale | undefined {
  // An event knows whole seconds only.
  const from = Math.floor(sinceMs / 1_000) * 1_000;
  return rescales.find(({ atMs, trigger }) => atMs >= from && trigger !== null);
}

/** Which triggers KEDA calls active, by their names: each of them keeps the last replica. */
export function activeTriggers({ spec, status }: Pick<ScaledObject, "spec" | "status">): string[] {
  return Object.entries(status?.triggersActivity ?? {}).flatMap(([metric, { isActive }]) => {
    const name = spec.triggers[Number(/^s(\d+)-/.exec(metric)?.[1])]?.name;
    return isActive === true && name !== undefined ? [name] : [];
  });
}
