/** Labels that a pod or a namespace must have. */
export interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

interface Peer {
  podSelector?: Selector;
  namespaceSelector?: Selector;
  ipBlock?: { cidr: string };
}

interface Rule {
  from?: Peer[];
  to?: Peer[];
  ports?: { protocol?: string; port: number }[];
}

/** Of networking.k8s.io/v1: https://kubernetes.io/docs/concepts/services-networking/network-policies/ */
export interface NetworkPolicy {
  metadata: { name: string; namespace?: string };
  spec: {
    podSelector: Selector;
    policyTypes: ("Ingress" | "Egress")[];
    ingress?: Rule[];
    egress?: Rule[];
  };
}

/** A pod, by what policies see of it. */
export interface PolicyPod {
  namespace: string;
  labels: Record<string, string>;
}

/** Whether labels fit a selector. @throws when it has an operator that is not understood here */
export function fits(
  { matchLabels = {}, matchExpressions = [] }: Selector,
  labels: Readonly<Record<string, string>>,
): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      if (operator === "Exists") return key in labels;
      if (operator !== "In") throw new Error(`the operator ${operator} is not known here`);
      return values?.includes(labels[key] ?? "") === true;
    })
  );
}

/** Every namespace has its own name as a label. */
const namespaceLabels = (name: string): Record<string, string> => ({
  "kubernetes.io/metadata.name": name,
});

function isPeer(
  { podSelector, namespaceSelector, ipBlock }: Peer,
  { namespace, labels }: PolicyPod,
  home: string,
): boolean {
  // Blocks of addresses are for what is no pod.
  if (ipBlock !== undefined) return false;
  const isThere =
    namespaceSelector === undefined
      ? namespace === home
      : fits(namespaceSelector, namespaceLabels(namespace));
  return isThere && (podSelector === undefined || fits(podSelector, labels));
}

/** Whether policies let one side of a TCP connection through: who calls (Egress), or who is called. */
function isSideOpen(
  policies: readonly NetworkPolicy[],
  side: "Ingress" | "Egress",
  pod: PolicyPod,
  other: PolicyPod,
  port: number,
): boolean {
  const own = policies.filter(
    ({ metadata, spec }) =>
      metadata.namespace === pod.namespace &&
      spec.policyTypes.includes(side) &&
      fits(spec.podSelector, pod.labels),
  );
  // Whom no policy selects may do everything.
  if (own.length === 0) return true;
  return own.some(({ spec }) =>
    ((side === "Egress" ? spec.egress : spec.ingress) ?? []).some(({ from, to, ports }) => {
      const peers = side === "Egress" ? to : from;
      const isPort =
        ports === undefined ||
        ports.some((one) => one.port === port && (one.protocol ?? "TCP") === "TCP");
      const isKnown =
        peers === undefined || peers.some((peer) => isPeer(peer, other, pod.namespace));
      return isPort && isKnown;
    }),
  );
}

/** Whether one pod may connect to another by TCP: both of them must be allowed to. */
export const mayConnect = (
  policies: readonly NetworkPolicy[],
  from: PolicyPod,
  to: PolicyPod,
  port: number,
): boolean =>
  isSideOpen(policies, "Egress", from, to, port) && isSideOpen(policies, "Ingress", to, from, port);
