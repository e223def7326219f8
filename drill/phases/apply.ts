import { mustRun } from "../../local/cluster/client.ts";
import type { Job, ScaledObject } from "../kube/resources.ts";
import { type Finding, type Phase, within } from "../phase.ts";
import { SCALED } from "../timeline/read-cluster.ts";
import { NAMESPACE, OVERLAY, type Scene } from "../scene.ts";
import { until } from "../until.ts";
import { podsOf, replicasOf, scaledObjectPath, untilReplicas } from "../workload.ts";

const LIMIT_MS = 5 * 60_000;
const MIGRATED_SECONDS_MAX = 120;
const READY_SECONDS_MAX = 180;
const ROLES = ["gateway", "collector"] as const;

/** `k8s/overlays/dev` as it is, on an empty namespace, by the command of the documentation. */
export const apply: Phase = {
  name: "apply",
  title: "k8s/overlays/dev is applied unchanged, migrates, and becomes ready",
  run: async (scene) => {
    const startedMs = performance.now();
    const seconds = (): number => (performance.now() - startedMs) / 1_000;
    await mustRun(scene.kubectl(["apply", "--kustomize", OVERLAY], "", { signal: scene.signal }));
    await labelNamespace(scene);
    const limits = { limitMs: LIMIT_MS, signal: scene.signal };
    await until("the migration is complete", limits, async () => {
      const path = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs/migrate`;
      const { status } = await scene.api.get<Job>(path);
      return (status?.succeeded ?? 0) > 0 ? true : undefined;
    });
    const migrated = within("the schema is migrated", seconds(), MIGRATED_SECONDS_MAX);
    for (const role of [...ROLES, "ml"])
      await untilReplicas(scene, role, (wanted) => wanted >= 1, LIMIT_MS);
    const ready = within("gateways and collectors are ready", seconds(), READY_SECONDS_MAX);
    return [migrated, ready, await judgeRestarts(scene), await judgeScaling(scene)];
  },
};

/** Tells the drill's namespace from one that was there before. */
export const DRILL_NAMESPACE_LABEL = "tollgate.io/drill";

const labelNamespace = ({ api }: Scene): Promise<void> =>
  api.merge(`/api/v1/namespaces/${NAMESPACE}`, {
    metadata: { labels: { [DRILL_NAMESPACE_LABEL]: "namespace" } },
  });

async function judgeRestarts(scene: Scene): Promise<Finding> {
  const pods = (await Promise.all(ROLES.map((role) => podsOf(scene, role)))).flat();
  const restarts = pods.flatMap(({ status }) =>
    (status?.containerStatuses ?? []).map(({ restartCount }) => restartCount),
  );
  const sum = restarts.reduce((total, count) => total + count, 0);
  return {
    what: "roles wait for their servers instead of ending",
    isKept: sum === 0,
    seen: `${sum} restarts of ${pods.length} pods`,
  };
}

/** All three are watched by KEDA; what its fallback did at first is said, not judged. */
async function judgeScaling(scene: Scene): Promise<Finding> {
  const limits = { limitMs: LIMIT_MS, signal: scene.signal };
  await until("KEDA reads every trigger", limits, async () => {
    const all = await Promise.all(
      SCALED.map((name) => scene.api.get<ScaledObject>(scaledObjectPath(name))),
    );
    return all.every((one) => isTrue(one, "Ready") && !isTrue(one, "Fallback")) ? true : undefined;
  });
  const replicas = await Promise.all(
    SCALED.map(async (name) => `${name} ${(await replicasOf(scene, name)).wanted}`),
  );
  return { what: "KEDA reads every trigger", isKept: true, seen: replicas.join(", ") };
}

const isTrue = ({ status }: ScaledObject, condition: string): boolean =>
  status?.conditions?.some((one) => one.type === condition && one.status === "True") === true;
