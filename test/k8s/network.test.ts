import { describe, expect, test } from "bun:test";

import { built, installations } from "./built.ts";
import { linksOf, podsAt, podsOf, PROGRAMS } from "./links.ts";
import { ofKind, type NetworkPolicy } from "./resources.ts";
import type { Root } from "./kustomize.ts";
import { waysOf } from "./ways.ts";

const DNS_PORT = 53;

/** What the nodes of a group say to each other. */
const INSIDE_GROUPS: Partial<Record<Root, readonly string[]>> = {
  "overlays/production": [
    // Clients of PostgreSQL are standbys too; 8000 is the operator's instance manager.
    "postgres > postgres:5432",
    "postgres > postgres:8000",
    // Erlang's distribution and its directory.
    "rabbitmq > rabbitmq:4369",
    "rabbitmq > rabbitmq:25672",
    "redis > redis:6379",
    "redis > redis:26379",
  ],
};

const OUTSIDE = [
  "namespace ingress-nginx > gateway:8080",
  ...["gateway", "worker", "collector"].map((role) => `namespace monitoring > ${role}:9090`),
  // Grafana's dashboard of quotas.
  "namespace monitoring > postgres:5432",
];
const OUTSIDE_OF: Partial<Record<Root, readonly string[]>> = {
  "overlays/dev": ["namespace keda > rabbitmq:15672"],
  "overlays/production": [
    "namespace keda > rabbitmq:15671",
    "namespace rabbitmq-system > rabbitmq:15671",
    "namespace cnpg-system > postgres:5432",
    "namespace cnpg-system > postgres:8000",
    // The Kubernetes API; of PostgreSQL the store of the backups as well.
    "postgres > anywhere:443",
    "postgres > anywhere:6443",
    "rabbitmq > anywhere:443",
    "rabbitmq > anywhere:6443",
    // The model is downloaded.
    "ml > 0.0.0.0/0:443",
  ],
};

describe.skipIf(built === null).each(installations)(
  "network policies of k8s/%s",
  (root, resources) => {
    const ways = waysOf(resources);
    const links = PROGRAMS.flatMap((program) => linksOf(resources, program)).map(
      ({ from, host, port }) => `${from} > ${podsAt(resources, host).name}:${port}`,
    );

    test("deny what no other one allows, in both directions", () => {
      const [denial] = ofKind<NetworkPolicy>(resources, "NetworkPolicy").filter(
        ({ metadata }) => metadata.name === "default-deny",
      );

      expect(denial?.spec).toEqual({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    });

    test("open every way that the configuration uses, and no other between pods", () => {
      const wanted = [...new Set([...links, ...(INSIDE_GROUPS[root] ?? [])])].toSorted();

      expect([...ways.called].toSorted()).toEqual(wanted);
    });

    test("open each way at both of its ends", () => {
      expect([...ways.taken].toSorted()).toEqual([...ways.called].toSorted());
    });

    test("open the ways to and from elsewhere that somebody uses, and no other", () => {
      const names = podsOf(resources).map(
        ({ name }) => `${name} > namespace kube-system:${DNS_PORT}`,
      );
      const wanted = [...names, ...OUTSIDE, ...(OUTSIDE_OF[root] ?? [])];

      expect([...ways.outside].toSorted()).toEqual(wanted.toSorted());
    });
  },
);
