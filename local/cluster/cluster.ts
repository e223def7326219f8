import { installBasics, installOperators } from "./add-ons/add-ons.ts";
import { imageArchives } from "./images/archives.ts";
import { operatorManifests } from "./manifests.ts";
import { createKubectl } from "./kubectl.ts";
import { type ClusterPlan, type RunningCluster, startNodes } from "./node/start-nodes.ts";

export type { ClusterPlan, RunningCluster } from "./node/start-nodes.ts";

/**
 * A Kubernetes on this machine with all that `k8s/overlays/dev` needs, and the images that it names: names of
 * services, volumes, network policies, KEDA, the metrics server, and the Prometheus operator with a Prometheus.
 *
 * @throws {CommandFailure} when something is missing here, or a program of it ends
 */
export async function startCluster(plan: ClusterPlan): Promise<RunningCluster> {
  const { env, progress, signal } = plan;
  const archives = await imageArchives(env, "dev");
  const manifests = operatorManifests(env);
  const cluster = await startNodes(plan);
  try {
    const kubectl = createKubectl(cluster, signal);
    await progress.step("images", async () => {
      await cluster.loadImages(archives);
      return {};
    });
    await installBasics(kubectl, { ...cluster, progress });
    await installOperators(kubectl, manifests, progress);
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}
