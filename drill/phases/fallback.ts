import type { ScaledObject } from "../kube/resources.ts";
import type { Finding, Phase } from "../phase.ts";
import type { Scene } from "../scene.ts";
import { SCALED } from "../timeline/read-cluster.ts";
import { until } from "../until.ts";
import { replicasOf, scaledObjectPath, untilReplicas } from "../workload.ts";

const PROMETHEUSES = "/apis/monitoring.coreos.com/v1/namespaces/monitoring/prometheuses";
const FALLBACK_LIMIT_MS = 3 * 60_000;
const BACK_LIMIT_MS = 5 * 60_000;

interface WithFallback extends ScaledObject {
  spec: ScaledObject["spec"] & { fallback?: { replicas: number }; minReplicaCount?: number };
}

export const fallback: Phase = {
  name: "fallback",
  title: "without Prometheus each workload has the replicas of its fallback",
  reasonToSkip: ({ isOwn }) =>
    isOwn ? undefined : "somebody else's Prometheus is not stopped; on a cluster of its own it is",
  run: async (scene) => {
    const scaled = await Promise.all(
      SCALED.map((name) => scene.api.get<WithFallback>(scaledObjectPath(name))),
    );
    const wanted = new Map(
      scaled.map(({ metadata, spec }) => [metadata.name, spec.fallback?.replicas ?? 0]),
    );
    const least = new Map(
      scaled.map(({ metadata, spec }) => [metadata.name, spec.minReplicaCount ?? 0]),
    );
    try {
      await setPrometheus(scene, 0);
      scene.mark("Prometheus is away");
      const there = await untilEach(scene, wanted, FALLBACK_LIMIT_MS);
      await setPrometheus(scene, 1);
      scene.mark("Prometheus is back");
      const back = await untilEach(scene, least, BACK_LIMIT_MS);
      return [
        { what: "the fallback acts", isKept: true, seen: there },
        { what: "with Prometheus back it ends", isKept: true, seen: back },
      ] satisfies Finding[];
    } finally {
      await setPrometheus(scene, 1);
    }
  },
};

async function setPrometheus({ api }: Scene, replicas: number): Promise<void> {
  const { items } = await api.get<{ items: { metadata: { name: string } }[] }>(PROMETHEUSES);
  for (const { metadata } of items)
    await api.merge(`${PROMETHEUSES}/${metadata.name}`, { spec: { replicas } });
}

/** Waits until each workload has its replicas, and says when which one had. */
async function untilEach(
  scene: Scene,
  wanted: ReadonlyMap<string, number>,
  limitMs: number,
): Promise<string> {
  const startedMs = performance.now();
  const seen = await Promise.all(
    [...wanted].map(async ([name, replicas]) => {
      const limits = { limitMs, signal: scene.signal };
      await until(`${name} has ${replicas} replicas`, limits, async () =>
        (await replicasOf(scene, name)).wanted === replicas ? true : undefined,
      );
      const seconds = Math.round((performance.now() - startedMs) / 1_000);
      return `${name} ${replicas} after ${seconds} s`;
    }),
  );
  await Promise.all(
    [...wanted].map(([name, replicas]) =>
      untilReplicas(scene, name, (count) => count === replicas, limitMs),
    ),
  );
  return seen.join(", ");
}
