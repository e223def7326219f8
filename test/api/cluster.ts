import { findDefinitions } from "../../local/cluster/definitions.ts";
import { findProgram } from "../../local/cluster/programs.ts";
import { startApiServer } from "./api-server.ts";
import { type Kubectl, kubectlOn, mustRun } from "./kubectl.ts";

/** A Kubernetes API that the tests ask. */
export interface Cluster {
  kubectl: Kubectl;
  stop: () => Promise<void>;
}

interface Source {
  /** Its own cluster may be written to; in somebody else's, only namespaces are made. */
  isOwn: boolean;
  kubectl: string;
  open: () => Promise<Cluster>;
}

/** The cluster of KUBECONFIG, else programs of the cache; null, and a line on stderr, without both. */
export function findCluster(env: Record<string, string | undefined>): Source | null {
  const kubectl = findProgram("kubectl", env);
  const kubeconfig = env["KUBECONFIG"] ?? "";
  const others = kubectl ?? Bun.which("kubectl");
  if (kubeconfig !== "" && others !== null) {
    const cluster = { kubectl: kubectlOn(others, kubeconfig), stop: async () => {} };
    return { isOwn: false, kubectl: others, open: () => Promise.resolve(cluster) };
  }
  const [etcd, apiServer] = [findProgram("etcd", env), findProgram("kube-apiserver", env)];
  const definitions = findDefinitions(env);
  if (!kubectl || !etcd || !apiServer || !definitions) {
    console.warn(
      "SKIPPED, no API server has seen k8s/: ./tollgate drill cluster --build builds one, once " +
        "(15 minutes), or set KUBECONFIG to a cluster",
    );
    return null;
  }
  const open = async (): Promise<Cluster> => {
    const { kubeconfig: own, stop } = await startApiServer({ etcd, apiServer });
    const cluster = { kubectl: kubectlOn(kubectl, own), stop };
    try {
      await establish(cluster.kubectl, definitions);
      return cluster;
    } catch (error) {
      await stop();
      throw error;
    }
  };
  return { isOwn: true, kubectl, open };
}

/** Applies the operators' definitions, and waits until their resources are served. */
async function establish(kubectl: Kubectl, definitions: readonly string[]): Promise<void> {
  const files = definitions.flatMap((path) => ["-f", path]);
  await mustRun(kubectl(["create", ...files]));
  await mustRun(kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]));
}
