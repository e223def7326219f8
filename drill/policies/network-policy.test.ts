import { describe, expect, test } from "bun:test";

import { mayConnect, type NetworkPolicy, type PolicyPod } from "./network-policy.ts";

const pod = (name: string, namespace = "tollgate"): PolicyPod => ({ namespace, labels: { name } });
const policy = (spec: NetworkPolicy["spec"]): NetworkPolicy => ({
  metadata: { name: "one", namespace: "tollgate" },
  spec,
});

const DENY = policy({ podSelector: {}, policyTypes: ["Ingress", "Egress"] });
const OUT = policy({
  podSelector: { matchLabels: { name: "worker" } },
  policyTypes: ["Egress"],
  egress: [{ to: [{ podSelector: { matchLabels: { name: "redis" } } }], ports: [{ port: 6379 }] }],
});
const IN = policy({
  podSelector: { matchLabels: { name: "redis" } },
  policyTypes: ["Ingress"],
  ingress: [
    {
      from: [
        {
          podSelector: {
            matchExpressions: [{ key: "name", operator: "In", values: ["worker", "gateway"] }],
          },
        },
      ],
      ports: [{ protocol: "TCP", port: 6379 }],
    },
  ],
});
const FROM_NAMESPACE = policy({
  podSelector: { matchLabels: { name: "redis" } },
  policyTypes: ["Ingress"],
  ingress: [
    {
      from: [
        { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } } },
      ],
      ports: [{ port: 9121 }],
    },
  ],
});

describe("a pod may connect to another", () => {
  test("where no policy selects either of them", () => {
    expect(mayConnect([], pod("worker"), pod("redis"), 6379)).toBe(true);
    expect(mayConnect([DENY], pod("a", "other"), pod("b", "other"), 80)).toBe(true);
  });

  test("only if both sides are allowed to", () => {
    expect(mayConnect([DENY, OUT, IN], pod("worker"), pod("redis"), 6379)).toBe(true);
    expect(mayConnect([DENY, OUT], pod("worker"), pod("redis"), 6379)).toBe(false);
    expect(mayConnect([DENY, IN], pod("worker"), pod("redis"), 6379)).toBe(false);
    expect(mayConnect([DENY, OUT, IN], pod("gateway"), pod("redis"), 6379)).toBe(false);
  });

  test("by the port that is named, and no other", () => {
    expect(mayConnect([DENY, OUT, IN], pod("worker"), pod("redis"), 16379)).toBe(false);
  });

  test("from another namespace only if that is named, whatever labels it has", () => {
    const policies = [DENY, OUT, IN, FROM_NAMESPACE];

    expect(mayConnect(policies, pod("worker", "other"), pod("redis"), 6379)).toBe(false);
    expect(mayConnect(policies, pod("x", "monitoring"), pod("redis"), 9121)).toBe(true);
    expect(mayConnect(policies, pod("x", "monitoring"), pod("redis"), 6379)).toBe(false);
  });
});

test("a selector that is not understood is no silent yes or no", () => {
  const odd = policy({
    podSelector: { matchExpressions: [{ key: "name", operator: "NotIn", values: ["a"] }] },
    policyTypes: ["Ingress"],
  });

  expect(() => mayConnect([odd], pod("a"), pod("b"), 1)).toThrow("NotIn");
});
