import { join } from "node:path";

import { topologyOf } from "../../adapters/process/connections.ts";
import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { serverEnvironment } from "../../adapters/state/server-urls.ts";
import { parseConfig } from "../../core/config/parse.ts";
import type { FactSources } from "../../history/facts.ts";
import { type Books, openBooks } from "../../local/stack/books.ts";
import type { SimTotals } from "../../ml-sim/stats.ts";
import type { PortForward } from "../kube/port-forward.ts";
import { isReady } from "../kube/resources.ts";
import { NAMESPACE, type Scene } from "../scene.ts";
import { podsOf } from "../workload.ts";

/** The servers of `k8s/overlays/dev`, whose passwords are public. */
const SERVERS = [
  { name: "postgres", port: 5432, url: "postgres://tollgate:tollgate@HOST/tollgate" },
  { name: "redis", port: 6379, url: "redis://HOST" },
  { name: "rabbitmq", port: 5672, url: "amqp://tollgate:tollgate@HOST" },
] as const;

export interface ClusterBooks extends FactSources {
  books: Books;
  close: () => Promise<void>;
}

/** What the servers of the cluster have, read past Tollgate's processes. */
export async function openClusterBooks(scene: Scene): Promise<ClusterBooks> {
  const forwards: PortForward[] = [];
  const closeForwards = (): Promise<unknown> => Promise.all(forwards.map((one) => one.stop()));
  try {
    const urls: string[] = [];
    for (const { name, port, url } of SERVERS) {
      const target = `statefulset/${name}`;
      const forward = await scene.forward({ namespace: NAMESPACE, target, port });
      forwards.push(forward);
      urls.push(url.replace("HOST", `127.0.0.1:${forward.port}`));
    }
    const [postgres = "", redis = "", amqp = ""] = urls;
    const settings: unknown = Bun.YAML.parse(
      await Bun.file(join(PROJECT_ROOT, "tollgate.yaml")).text(),
    );
    const env = { ...serverEnvironment({ postgres, redis, amqp }), ...(await readSecrets(scene)) };
    const config = parseConfig(settings, env);
    const books = await openBooks({ postgres, redis, amqp }, config.redis, topologyOf(config));
    return {
      books,
      config,
      simulator: { stats: () => readTotals(scene) },
      close: async () => {
        await books.close();
        await closeForwards();
      },
    };
  } catch (error) {
    await closeForwards();
    throw error;
  }
}

/** The name of the secret has a hash; the gateway's pods name it. */
async function readSecrets({ api }: Scene): Promise<Record<string, string>> {
  const { items } = await api.get<{
    items: { metadata: { name: string }; data?: Record<string, string> }[];
  }>(`/api/v1/namespaces/${NAMESPACE}/secrets`);
  const found = items.find(({ metadata }) => metadata.name.startsWith("tollgate-secrets"));
  const read = (key: string): string =>
    Buffer.from(found?.data?.[key] ?? "", "base64").toString("utf8");
  return {
    TOLLGATE_SECRETS__ENCRYPTION_KEYS: read("encryption-keys"),
    TOLLGATE_SECRETS__KEY_PEPPER: read("key-pepper"),
  };
}

/** Of all simulators that run now; what ended ones did is not known any more. */
async function readTotals(scene: Scene): Promise<SimTotals> {
  const pods = (await podsOf(scene, "ml")).filter(isReady);
  const all = await Promise.all(
    pods.map(async ({ metadata }) => {
      const forward = await scene.forward({
        namespace: NAMESPACE,
        target: `pod/${metadata.name}`,
        port: 8_000,
      });
      try {
        const reply = await fetch(`http://127.0.0.1:${forward.port}/sim/stats`);
        return (await reply.json()) as SimTotals;
      } finally {
        await forward.stop();
      }
    }),
  );
  const sum = (read: (totals: SimTotals) => number): number =>
    all.reduce((total, one) => total + read(one), 0);
  return {
    calls: sum(({ calls }) => calls),
    answered: sum(({ answered }) => answered),
    prompt_tokens: sum((one) => one.prompt_tokens),
    completion_tokens: sum((one) => one.completion_tokens),
    refused_busy: sum((one) => one.refused_busy),
    abandoned: sum(({ abandoned }) => abandoned),
    faults: {},
  };
}
