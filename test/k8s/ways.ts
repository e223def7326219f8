import { fits } from "../../drill/policies/network-policy.ts";
import { podsOf } from "./links.ts";
import { type NetworkPolicy, ofKind, type Selector } from "./resources.ts";
import type { Resource } from "./schemas/check-schema.ts";

/** What network policies open, each as `from > to:port`. */
export interface Ways {
  /** Between pods, as policies of those who call see it; as those of who is called do. */
  called: Set<string>;
  taken: Set<string>;
  /** From or to other namespaces and the rest of the world. */
  outside: Set<string>;
}

/** The namespaces that a selector names: each has its own name as a label. */
function namespaces({ matchLabels, matchExpressions }: Selector): string[] {
  const NAME = "kubernetes.io/metadata.name";
  const named = [matchLabels?.[NAME] ?? [], matchExpressions?.[0]?.values ?? []].flat();
  if (named.length === 0) throw new Error("a selector of namespaces does not say their names");
  return named.map((name) => `namespace ${name}`);
}

/** @throws when a policy has something that is not understood here */
export function waysOf(resources: readonly Resource[]): Ways {
  const pods = podsOf(resources);
  const ways: Ways = { called: new Set(), taken: new Set(), outside: new Set() };
  for (const { spec } of ofKind<NetworkPolicy>(resources, "NetworkPolicy")) {
    const owners = pods.filter((one) => fits(spec.podSelector, one.labels)).map(({ name }) => name);
    const rules = [
      ...(spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports, isOut: true })),
      ...(spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports, isOut: false })),
    ];
    for (const { peers = [{ ipBlock: { cidr: "anywhere" } }], ports = [], isOut } of rules) {
      if (ports.length === 0) throw new Error("a rule is for all ports");
      const way = (owner: string, peer: string, port: number): string =>
        isOut ? `${owner} > ${peer}:${port}` : `${peer} > ${owner}:${port}`;
      for (const owner of owners)
        for (const { port } of ports)
          for (const { podSelector, namespaceSelector, ipBlock } of peers) {
            if (namespaceSelector !== undefined)
              for (const name of namespaces(namespaceSelector))
                ways.outside.add(way(owner, name, port));
            else if (ipBlock !== undefined) ways.outside.add(way(owner, ipBlock.cidr, port));
            else
              for (const { name } of pods.filter((one) => fits(podSelector ?? {}, one.labels)))
                (isOut ? ways.called : ways.taken).add(way(owner, name, port));
          }
    }
  }
  return ways;
}
