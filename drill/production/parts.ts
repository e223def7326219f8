import { until } from "../until.ts";
import type { Kubectl } from "./kubectl.ts";

export const NAMESPACE = "tollgate";

/** Which condition says that a part of production is whole. */
interface Part {
  name: string;
  resource: string;
  condition: string;
}

export const PARTS: readonly Part[] = [
  { name: "certificates", resource: "certificates.cert-manager.io --all", condition: "Ready" },
  { name: "PostgreSQL", resource: "clusters.postgresql.cnpg.io/postgres", condition: "Ready" },
  {
    name: "RabbitMQ",
    resource: "rabbitmqclusters.rabbitmq.com/rabbitmq",
    condition: "AllReplicasReady",
  },
  { name: "RabbitMQ's users", resource: "users.rabbitmq.com --all", condition: "Ready" },
  { name: "their permissions", resource: "permissions.rabbitmq.com --all", condition: "Ready" },
  { name: "the ML service", resource: "deployment/ml", condition: "Available" },
  { name: "collectors", resource: "deployment/collector", condition: "Available" },
  { name: "gateways", resource: "deployment/gateway", condition: "Available" },
];

/** The cluster that `k8s/restore` makes. */
export const RESTORED: Part = {
  name: "what was restored",
  resource: "clusters.postgresql.cnpg.io/postgres-restored",
  condition: "Ready",
};

export const SCALING: Part = {
  name: "scaling",
  resource: "scaledobjects.keda.sh --all",
  condition: "Ready",
};

const GATEWAYS_WANTED = 2;
const GATEWAYS_LIMIT_MS = 300_000;

/** KEDA makes the gateways as many as the overlay says at least. */
export async function untilGateways(kubectl: Kubectl, signal: AbortSignal): Promise<void> {
  const path = "jsonpath={.status.readyReplicas}";
  await until("two gateways", { limitMs: GATEWAYS_LIMIT_MS, signal }, async () => {
    const ready = await kubectl.run(["-n", NAMESPACE, "get", "deployment/gateway", "-o", path]);
    return Number(ready) >= GATEWAYS_WANTED ? true : undefined;
  });
}

/** @throws when it is not whole within the limit, with what it says of itself */
export async function untilWhole(
  kubectl: Kubectl,
  { resource, condition }: Part,
  limitSeconds: number,
): Promise<void> {
  const limit = `--timeout=${limitSeconds}s`;
  const args = ["-n", NAMESPACE, "wait", `--for=condition=${condition}`, limit];
  await kubectl.run([...args, ...resource.split(" ")], { limitMs: limitSeconds * 1_000 + 20_000 });
}

/** Redis has no condition that says so. */
export async function untilRedisIsWhole(kubectl: Kubectl, limitSeconds: number): Promise<void> {
  const limit = `--timeout=${limitSeconds}s`;
  await kubectl.run(["-n", NAMESPACE, "rollout", "status", "statefulset/redis", limit], {
    limitMs: limitSeconds * 1_000 + 20_000,
  });
}
