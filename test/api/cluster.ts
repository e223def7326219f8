import { findDefinitions } from "../../local/cluster/definitions.ts";
import { findProgram } from "../../local/cluster/programs.ts";
import { startApiServer } from "./api-server.ts";
import { until } from "../support/until.ts";
import { type Client, clientOf, mustRun } from "../../local/cluster/client.ts";

const ESTABLISH_LIMIT_MS = 45_000;

/** A Kubernetes API that the tests ask. */
export interface Cluster {
  kubectl: Client;
  /** Runs another program on it. */
  client: (program: string) => Client;
  stop: () => Promise<void>;
}

interface Source {
  /** Its own cluster may be written to; in somebody else's, only namespaces are made. */
  isOwn: boolean;
  kubectl: string;
  open: () => Promise<Cluster>;
}

function clusterOf(kubeconfig: string, kubectl: string, stop: Cluster["stop"]): Cluster {
  const client = (program: string): Client => clientOf(kubeconfig, program);
  return { kubectl: client(kubectl), client, stop };
}

/** The cluster of KUBECONFIG, else programs of the cache; null, and a line on stderr, without both. */
export function findCluster(env: Record<string, string | undefined>): Source | null {
  const kubectl = findProgram("kubectl", env);
  const kubeconfig = env["KUBECONFIG"] ?? "";
  const others = kubectl ?? Bun.which("kubectl");
  if (kubeconfig !== "" && others !== null) {
    const cluster = clusterOf(kubeconfig, others, async () => {});
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
    const cluster = clusterOf(own, kubectl, stop);
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

interface CustomResourceDefinition {
  status?: { conditions?: { type: string; status: string }[] };
}

/** Applies the operators' definitions, and waits until their resources are served. */
async function establish(kubectl: Client, definitions: readonly string[]): Promise<void> {
  // One after the other takes twice as long: each kubectl asks only so often.
  await Promise.all(definitions.map((path) => mustRun(kubectl(["create", "-f", path]))));
  const list = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  await until(async () => {
    const { items } = JSON.parse(await mustRun(kubectl(["get", "--raw", list]))) as {
      items: CustomResourceDefinition[];
    };
    return items.every(isEstablished);
  }, ESTABLISH_LIMIT_MS);
}

const isEstablished = ({ status }: CustomResourceDefinition): boolean =>
  status?.conditions?.some((one) => one.type === "Established" && one.status === "True") ?? false;
