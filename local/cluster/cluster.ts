import { basename, dirname } from "node:path";

import { installBasics, installOperators } from "./add-ons/add-ons.ts";
import { imageArchives } from "./images/archives.ts";
import { operatorManifests } from "./manifests.ts";
import { createKubectl } from "./kubectl.ts";
import { type ClusterPlan, type RunningCluster, startNodes } from "./node/start-nodes.ts";

export type { ClusterPlan, RunningCluster } from "./node/start-nodes.ts";

/**
 * A Kubernetes on this machine with all that `k8s/overlays/dev` needs, and the images that it names: names of
 * services, volumes, network policies, KEDA, the metrics server, and the Prometheus operator with a
 * Prometheus.
 *
 * @throws {CommandFailure} when something is missing here, or a program of it ends
 */
export async function startCluster(plan: ClusterPlan): Promise<RunningCluster> {
  const { env, progress, signal } = plan;
  const archives = [...(await imageArchives(env, "dev")), ...(plan.images ?? [])];
  const lasting = archives.filter((archive) => !isOfCheckout(archive));
  const manifests = operatorManifests(env);
  const cluster = await startNodes({ ...plan, images: lasting });
  try {
    const kubectl = createKubectl(cluster, signal);
    await progress.step("images of this checkout", async () => {
      await cluster.loadImages(archives.filter(isOfCheckout));
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

/** Every change of the checkout makes others; the name of its folder tells what an archive is. */
const isOfCheckout = (archive: string): boolean =>
  basename(dirname(archive)).startsWith("image-tollgate-");
