import { expect, test } from "bun:test";

import { callersOf, type Manifest, waysOf } from "./ways.ts";

const workload = (name: string, ports: number[]): Manifest => ({
  kind: "Deployment",
  metadata: { name, namespace: "tollgate" },
  spec: {
    template: {
      metadata: { labels: { name } },
      spec: { containers: [{ ports: ports.map((containerPort) => ({ containerPort })) }] },
    },
  },
});
const toRedis = {
  kind: "NetworkPolicy",
  metadata: { name: "redis", namespace: "tollgate" },
  spec: {
    podSelector: { matchLabels: { name: "redis" } },
    policyTypes: ["Ingress"],
    ingress: [
      { from: [{ podSelector: { matchLabels: { name: "worker" } } }], ports: [{ port: 6379 }] },
    ],
  },
} as Manifest;
const manifests = [workload("worker", [9090]), workload("redis", [6379]), toRedis];

test("every workload, and strays here and elsewhere, are tried at every port", () => {
  const callers = callersOf(manifests, "tollgate").map(({ name }) => name);
  const ways = waysOf(manifests, "tollgate");

  expect(callers).toContain("stray in keda");
  expect(ways).toHaveLength(2 * callers.length);
});

test("what no policy allows is expected to be refused", () => {
  const allowed = waysOf(manifests, "tollgate")
    .filter(({ to, isAllowed }) => to.name === "redis" && isAllowed)
    .map(({ from }) => from.name);

  expect(allowed).toEqual(["worker"]);
});
