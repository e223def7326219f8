import { NAME_LABEL } from "../kube/resources.ts";
import { mayConnect, type NetworkPolicy, type PolicyPod } from "./network-policy.ts";

/** The parts of what kustomize builds that say who is there and who listens. */
export interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string };
  spec?: {
    template?: {
      metadata?: { labels?: Record<string, string> };
      spec: { containers: { ports?: { containerPort: number }[] }[] };
    };
  };
}

/** A pod that calls, or is called. */
export interface Party extends PolicyPod {
  name: string;
}

export interface Way {
  from: Party;
  to: Party;
  port: number;
  isAllowed: boolean;
}

const WORKLOADS = new Set(["Deployment", "StatefulSet", "Job"]);

/** Namespaces whose pods are tried besides Tollgate's own. */
const ELSEWHERE = ["default", "keda", "monitoring", "ingress-nginx"] as const;

/** Every workload, a pod of no workload, and a pod in each of some other namespaces. */
export function callersOf(manifests: readonly Manifest[], namespace: string): Party[] {
  const stray = { name: "stray", namespace, labels: { [NAME_LABEL]: "stray" } };
  const elsewhere = ELSEWHERE.map((name) => ({
    name: `stray in ${name}`,
    namespace: name,
    labels: { [NAME_LABEL]: "stray" },
  }));
  return [...partiesOf(manifests, namespace), stray, ...elsewhere];
}

function partiesOf(manifests: readonly Manifest[], namespace: string): Party[] {
  return manifests
    .filter(({ kind }) => WORKLOADS.has(kind))
    .map(({ metadata, spec }) => ({
      name: metadata.name,
      namespace,
      labels: spec?.template?.metadata?.labels ?? {},
    }));
}

/** What the API server takes as a kind has the shape of it. */
const ofKind = <Kind>(manifests: readonly { kind: string }[], kind: string): Kind[] =>
  manifests.filter((one) => one.kind === kind) as Kind[];

/** Each caller with each port of each workload, and whether the policies allow it. */
export function waysOf(manifests: readonly Manifest[], namespace: string): Way[] {
  const policies = ofKind<NetworkPolicy>(manifests, "NetworkPolicy");
  const callers = callersOf(manifests, namespace);
  return manifests
    .filter(({ kind }) => WORKLOADS.has(kind))
    .flatMap((manifest) => {
      const [to] = partiesOf([manifest], namespace) as [Party];
      const containers = manifest.spec?.template?.spec.containers ?? [];
      const ports = containers.flatMap((one) =>
        (one.ports ?? []).map((port) => port.containerPort),
      );
      return ports.flatMap((port) =>
        callers.map((from) => ({
          from,
          to,
          port,
          isAllowed: mayConnect(policies, from, to, port),
        })),
      );
    });
}
