import type { KubeApi } from "../kube/api.ts";
import type { Deployment, List } from "../kube/resources.ts";
import type { Reading } from "./timeline.ts";

export const SCALED = ["worker", "gateway", "ml"] as const;

const PROMETHEUS = "/api/v1/namespaces/monitoring/services/prometheus-operated:9090/proxy";

/** The value of a query that has one, as a whole number; null where it has none, or Prometheus does not answer. */
export async function queryPrometheus(api: KubeApi, query: string): Promise<number | null> {
  try {
    const { data } = await api.get<{ data: { result: { value: [number, string] }[] } }>(
      `${PROMETHEUS}/api/v1/query?query=${encodeURIComponent(query)}`,
    );
    const value = Number(data.result[0]?.value[1]);
    return Number.isFinite(value) ? Math.round(value) : null;
  } catch {
    // It is taken away in one of the phases.
    return null;
  }
}

/** The queries of the scaled objects, without their bounds. */
const queriesOf = (namespace: string): Record<Exclude<keyof Reading, "replicas">, string> => {
  const of = `namespace="${namespace}"`;
  const queue = String.raw`queue=~"inference_requests(\\.model\\..+)?"`;
  return {
    queued: `sum(max by (queue) (queue_depth{${of},${queue}}))`,
    waiting: `sum(max by (model) (gateway_requests_waiting{${of}}))`,
    oldestSeconds: `max(gateway_oldest_runnable_seconds{${of}})`,
    tokensRunnable: `sum(max by (model) (gateway_tokens_runnable{${of}}))`,
    tokensPerMinute: `sum(rate(ml_tokens_processed_total{${of}}[1m])) * 60 or vector(0)`,
  };
};

/** undefined: the API server did not answer. */
export async function readCluster(api: KubeApi, namespace: string): Promise<Reading | undefined> {
  const queries = Object.entries(queriesOf(namespace));
  try {
    const [{ items }, ...values] = await Promise.all([
      api.get<List<Deployment>>(`/apis/apps/v1/namespaces/${namespace}/deployments`),
      ...queries.map(([, query]) => queryPrometheus(api, query)),
    ]);
    const replicas = SCALED.map((name) => {
      const found = items.find(({ metadata }) => metadata.name === name);
      const wanted = found?.spec.replicas ?? 0;
      return [name, { wanted, ready: found?.status?.readyReplicas ?? 0 }] as const;
    });
    const read = Object.fromEntries(queries.map(([name], at) => [name, values[at] ?? null]));
    return { replicas: Object.fromEntries(replicas), ...(read as Omit<Reading, "replicas">) };
  } catch {
    return undefined;
  }
}
