import { mustRun } from "../local/cluster/client.ts";
import {
  type ClusterEvent,
  type Deployment,
  type List,
  NAME_LABEL,
  type Pod,
  type ScaledObject,
} from "./kube/resources.ts";
import { type Rescale, readRescales } from "./scaling/rescales.ts";
import { deploymentPath, NAMESPACE, type Scene } from "./scene.ts";
import { until } from "./until.ts";

export const scaledObjectPath = (name: string): string =>
  `/apis/keda.sh/v1alpha1/namespaces/${NAMESPACE}/scaledobjects/${name}`;

export async function replicasOf(
  { api }: Scene,
  name: string,
): Promise<{ wanted: number; ready: number }> {
  const { spec, status } = await api.get<Deployment>(deploymentPath(name));
  return { wanted: spec.replicas ?? 1, ready: status?.readyReplicas ?? 0 };
}

export const podsOf = async ({ api }: Scene, name: string): Promise<Pod[]> => {
  const selector = encodeURIComponent(`${NAME_LABEL}=${name},!tollgate.io/drill`);
  const path = `/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=${selector}`;
  return (await api.get<List<Pod>>(path)).items;
};

/** Waits until a Deployment has such a number of replicas, all ready; returns it. */
export async function untilReplicas(
  scene: Scene,
  name: string,
  wish: (wanted: number) => boolean,
  limitMs: number,
): Promise<number> {
  return await until(`${name} is scaled`, { limitMs, signal: scene.signal }, async () => {
    const { wanted, ready } = await replicasOf(scene, name);
    return wish(wanted) && ready === wanted ? wanted : undefined;
  });
}

/** What the autoscaler of a scaled object has done, by its events. */
export async function rescalesOf({ api }: Scene, name: string): Promise<Rescale[]> {
  const selector = encodeURIComponent(
    `involvedObject.kind=HorizontalPodAutoscaler,involvedObject.name=keda-hpa-${name}`,
  );
  const [scaled, events] = await Promise.all([
    api.get<ScaledObject>(scaledObjectPath(name)),
    api.get<List<ClusterEvent>>(
      `/api/v1/namespaces/${NAMESPACE}/events?fieldSelector=${selector}&limit=500`,
    ),
  ]);
  return readRescales(events.items, scaled);
}

/** Changes a scaled object, in the drill's own cluster or namespace. */
export const changeScaling = ({ api }: Scene, name: string, spec: unknown): Promise<void> =>
  api.merge(scaledObjectPath(name), { spec });

/** Has KEDA hold a workload at so many replicas, or let it go again. */
export const holdReplicas = (
  { api }: Scene,
  name: string,
  replicas: number | null,
): Promise<void> =>
  api.merge(scaledObjectPath(name), {
    metadata: {
      annotations: {
        "autoscaling.keda.sh/paused-replicas": replicas === null ? null : String(replicas),
      },
    },
  });

const ROLL_OUT_LIMIT_MS = 240_000;

export async function untilRolledOut(
  { kubectl, signal }: Scene,
  workload: string,
  namespace = NAMESPACE,
): Promise<void> {
  const limits = { limitMs: ROLL_OUT_LIMIT_MS, signal };
  await mustRun(kubectl(["--namespace", namespace, "rollout", "status", workload], "", limits));
}

/** Sets variables of a Deployment, or removes those that are null, and waits until its pods have them. */
export async function setEnvironment(
  scene: Scene,
  name: string,
  variables: Record<string, string | null>,
): Promise<void> {
  const changes = Object.entries(variables).map(([key, value]) =>
    value === null ? `${key}-` : `${key}=${value}`,
  );
  const command = ["--namespace", NAMESPACE, "set", "env", `deployment/${name}`, ...changes];
  await mustRun(scene.kubectl(command));
  await untilRolledOut(scene, `deployment/${name}`);
}
