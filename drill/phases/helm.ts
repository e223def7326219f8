import { join } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { createApi } from "../../history/api.ts";
import { type Client, mustRun } from "../../local/cluster/client.ts";
import type { Deployment, Job } from "../kube/resources.ts";
import type { Finding, Phase } from "../phase.ts";
import { deploymentPath, OVERLAY, type Scene } from "../scene.ts";
import { until } from "../until.ts";
import { untilRolledOut } from "../workload.ts";

const CHART = join(PROJECT_ROOT, "k8s/helm");
const NAMESPACE = "tollgate-drill-helm";
const RELEASE = "tollgate";
const INSTALL_LIMIT_MS = 4 * 60_000;
const END_LIMIT_MS = 120_000;
const GONE_LIMIT_MS = 180_000;
const SERVERS = new Set(["postgres", "redis", "rabbitmq", "ml", "server"]);

export const helm: Phase = {
  name: "helm",
  title: "the Helm chart is linted, installed, upgraded and removed, in a namespace of its own",
  reasonToSkip: ({ helm: found }) =>
    found === undefined ? "there is no Helm: install it, or --build" : undefined,
  run: async (scene) => {
    const run = scene.helm;
    if (run === undefined) throw new Error("there is no Helm");
    try {
      const linted = await lint(run);
      await startServers(scene);
      const installed = await upgrade(scene, run, await scene.image());
      const first = await completeOne(scene);
      const upgraded = await upgrade(scene, run, scene.nextImage);
      const second = await completeOne(scene);
      const { spec } = await scene.api.get<Deployment>(deploymentPath("gateway", NAMESPACE));
      const image = spec.template.spec.containers[0]?.image;
      return [
        linted,
        { what: "it is installed", isKept: true, seen: `${installed} s` },
        completed("a request completes", first),
        {
          what: "it is upgraded to the new image",
          isKept: image === scene.nextImage,
          seen: `${image}, ${upgraded} s`,
        },
        completed("another one completes", second),
        await judgeRemoval(scene, run),
      ];
    } finally {
      await scene.api.remove(`/api/v1/namespaces/${NAMESPACE}`);
    }
  },
};

async function lint(run: Client): Promise<Finding> {
  const { exitCode, out } = await run(["lint", CHART, "--values", "-"], valuesText("tollgate:dev"));
  return {
    what: "the chart is linted",
    isKept: exitCode === 0,
    seen: out.trim().split("\n").at(-1) ?? "",
  };
}

/** PostgreSQL, Redis, RabbitMQ and the simulator of the overlay, without its volumes and policies. */
async function startServers(scene: Scene): Promise<void> {
  const text = await mustRun(scene.kubectl(["kustomize", OVERLAY]));
  const all = [Bun.YAML.parse(text)].flat() as Resource[];
  const own = all
    .filter(({ kind, metadata }) => SERVERS.has(metadata.name) && KINDS.has(kind))
    .map((one) => withoutVolumes({ ...one, metadata: { ...one.metadata, namespace: NAMESPACE } }));
  const space = all.find(({ kind }) => kind === "Namespace");
  const namespace = { ...space, metadata: { ...space?.metadata, name: NAMESPACE } };
  const manifest = [namespace, ...own].map((one) => JSON.stringify(one)).join("\n---\n");
  await mustRun(scene.kubectl(["apply", "-f", "-"], manifest, { signal: scene.signal }));
}

const KINDS = new Set(["StatefulSet", "Deployment", "Service", "ServiceAccount"]);

interface Resource {
  kind: string;
  metadata: { name: string; namespace?: string };
  spec?: {
    volumeClaimTemplates?: { metadata: { name: string } }[];
    template?: { spec: { volumes?: unknown[] } };
  };
}

function withoutVolumes(resource: Resource): Resource {
  const { spec } = resource;
  if (spec?.volumeClaimTemplates === undefined || spec.template === undefined) return resource;
  const { volumeClaimTemplates, template, ...rest } = spec;
  const empty = volumeClaimTemplates.map(({ metadata }) => ({ name: metadata.name, emptyDir: {} }));
  const volumes = [...(template.spec.volumes ?? []), ...empty];
  return {
    ...resource,
    spec: { ...rest, template: { ...template, spec: { ...template.spec, volumes } } },
  };
}

/** JSON is YAML. */
function valuesText(image: string): string {
  const [repository, tag] = image.split(/:(?=[^:/]+$)/);
  const service = (path: string): { url: string } => ({ url: `http://ml:8000${path}` });
  return JSON.stringify({
    image: { repository, tag },
    servers: {
      databaseUrl: "postgres://tollgate:tollgate@postgres:5432/tollgate",
      redisUrl: "redis://redis:6379",
      amqpUrl: "amqp://tollgate:tollgate@rabbitmq:5672",
    },
    secrets: {
      encryptionKeys: "drill:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
      keyPepper: "public-pepper-of-the-drill-alone-0123456789",
    },
    models: { "sim-chat": { protocol: "openai-chat", ...service("/v1/chat/completions") } },
    extraEnv: [{ name: "TOLLGATE_ALLOW_PLAINTEXT", value: "true" }],
    scaling: {
      gateway: { min: 1 },
      rabbitmq: {
        host: `http://rabbitmq.${NAMESPACE}.svc:15672/`,
        username: "tollgate",
        password: "tollgate",
      },
    },
  });
}

/** Installs or upgrades, and waits for the migration and the roles. Returns how long it took, seconds. */
async function upgrade(scene: Scene, run: Client, image: string): Promise<number> {
  scene.mark(`helm upgrade --install with ${image}`);
  const startedMs = performance.now();
  const flags = ["--namespace", NAMESPACE, "--values", "-"];
  await mustRun(
    run(["upgrade", "--install", RELEASE, CHART, ...flags], valuesText(image), {
      limitMs: INSTALL_LIMIT_MS,
      signal: scene.signal,
    }),
  );
  const limits = { limitMs: INSTALL_LIMIT_MS, signal: scene.signal };
  await until("all its migrations are complete", limits, async () => {
    const path = `/apis/batch/v1/namespaces/${NAMESPACE}/jobs`;
    const { items } = await scene.api.get<{ items: Job[] }>(path);
    return items.every(({ status }) => (status?.succeeded ?? 0) > 0) ? true : undefined;
  });
  for (const role of ["collector", "gateway"])
    await untilRolledOut(scene, `deployment/${role}`, NAMESPACE);
  return Math.round((performance.now() - startedMs) / 1_000);
}

/** The state of a new user's request once it has ended. */
async function completeOne(scene: Scene): Promise<string> {
  const email = `${crypto.randomUUID()}@drill.example`;
  const command = ["exec", "deploy/gateway", "--", "bun", "cli/main.ts"];
  const out = await mustRun(
    scene.kubectl(["--namespace", NAMESPACE, ...command, "user", "add", email, "--json"]),
  );
  const { api_key: key } = JSON.parse(out) as { api_key: string };
  const gateway = await scene.forward({
    namespace: NAMESPACE,
    target: "service/gateway",
    port: 80,
  });
  try {
    const api = createApi(`http://127.0.0.1:${gateway.port}`, key);
    const { request_id: id } = await api.generate({ prompt: "By Helm?", max_tokens: 16 });
    return (await api.untilEnded(id, END_LIMIT_MS)).status;
  } finally {
    await gateway.stop();
  }
}

const completed = (what: string, state: string): Finding => ({
  what,
  isKept: state === "completed",
  seen: state,
});

const KINDS_OF_CHART = "deployments,jobs,scaledobjects,secrets";

async function judgeRemoval(scene: Scene, run: Client): Promise<Finding> {
  await mustRun(
    run(["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait"], "", {
      limitMs: GONE_LIMIT_MS,
      signal: scene.signal,
    }),
  );
  const left = await scene.kubectl(
    ["--namespace", NAMESPACE, "get", KINDS_OF_CHART, "--output=name"].concat(
      "--selector=app.kubernetes.io/part-of=tollgate",
    ),
  );
  const names = left.out.split("\n").filter((line) => line !== "");
  const others = names.filter(
    (name) => !name.startsWith("secret/") && !SERVERS.has(name.split("/")[1] ?? ""),
  );
  return {
    what: "it is removed",
    isKept: left.exitCode === 0 && others.length === 0,
    seen: names.length === 0 ? "nothing is left" : `left: ${names.join(", ")}`,
  };
}
