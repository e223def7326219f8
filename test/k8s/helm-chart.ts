import type { Resource } from "./schemas/check-schema.ts";

/**
 * The templates of the chart that repeat `k8s/base`, by file name. The base is the one source: what a value
 * may change is said here, everything else is as it stands there.
 */
export function chartTemplates(base: readonly Resource[]): Map<string, string> {
  const files = new Map<string, string>();
  for (const resource of base) {
    const place = placeOf(resource);
    if (place === null) continue;
    const { name, guard } = place;
    const text = templateOf(resource);
    const guarded = guard === null ? text : `{{- if ${guard} }}\n${text}{{- end }}\n`;
    files.set(`${name}.yaml`, `${WARNING}${guarded}`);
  }
  return files;
}

const WARNING = "{{- /* Written by `bun test/k8s/copies.ts` from k8s/base. */ -}}\n";

type Tree = { [key: string]: unknown };

/** The file of a resource and the value that it needs; null: the chart has its own of it, or none. */
function placeOf({
  kind,
  metadata: { name },
}: Resource): { name: string; guard: string | null } | null {
  const file = `${kind.toLowerCase()}-${name}`;
  switch (kind) {
    case "Namespace":
      return null;
    case "ConfigMap":
      return name === "tollgate-dashboards" ? { name: file, guard: MONITORED } : null;
    case "ServiceAccount":
      // Of the servers of the overlays.
      return name === "server" ? null : { name: file, guard: null };
    case "NetworkPolicy":
      return { name: file, guard: ".Values.networkPolicies.enabled" };
    case "ScaledObject":
      return { name: file, guard: name === "ml" ? `and ${SCALED} ${OWN_ML}` : SCALED };
    case "TriggerAuthentication":
      return { name: file, guard: SCALED };
    case "PodMonitor":
    case "PrometheusRule":
      return { name: file, guard: MONITORED };
    default:
      return { name: file, guard: null };
  }
}

const SCALED = ".Values.scaling.enabled";
const OWN_ML = ".Values.scaling.ml.enabled";
const MONITORED = ".Values.monitoring.enabled";

/** Stands for an expression of a template until the YAML is written. */
const expression = (text: string): string => `⟦${text}⟧`;
/** The same within a text. */
const inner = (text: string): string => `⟨${text}⟩`;
/** Stands for items of a list that a value adds. */
const moreItems = (value: string): string => `⟪${value}⟫`;

function templateOf(resource: Resource): string {
  const tree = structuredClone(resource) as unknown as Tree;
  at(tree, "metadata")["namespace"] = expression(".Release.Namespace");
  opened(resource, tree);
  const text = `${Bun.YAML.stringify(renamed(tree), null, 2)}\n`
    // Alerts and dashboards have templates of their own.
    .replaceAll("{{", '{{ "{{" }}')
    .replaceAll(/^( *)- ["']?⟪(.*?)⟫["']?\n/gm, (_line, indent: string, value: string) =>
      [`{{- with ${value} }}`, `{{- toYaml . | nindent ${indent.length} }}`, "{{- end }}", ""].join(
        "\n",
      ),
    )
    .replaceAll(
      /["']?⟦(.*?)⟧["']?/g,
      (_whole, code: string) => `{{ ${code.replaceAll('\\"', '"')} }}`,
    )
    .replaceAll(/⟨(.*?)⟩/g, "{{ $1 }}");
  return withOptional(resource, text);
}

/** Puts values where they may change something. */
function opened({ kind, metadata: { name } }: Resource, tree: Tree): void {
  switch (kind) {
    case "Deployment":
      openPod(tree, name);
      if (name === "collector")
        at(tree, "spec")["replicas"] = expression(".Values.collector.replicas");
      break;
    case "Job":
      // A job cannot be changed, so each release has one of its own.
      at(tree, "metadata")["name"] = expression('printf "migrate-%d" .Release.Revision');
      openPod(tree, name);
      break;
    case "ScaledObject": {
      const spec = at(tree, "spec");
      spec["minReplicaCount"] = expression(`.Values.scaling.${name}.min`);
      spec["maxReplicaCount"] = expression(`.Values.scaling.${name}.max`);
      for (const trigger of spec["triggers"] as Tree[]) {
        const metadata = at(trigger, "metadata");
        if ("serverAddress" in metadata)
          metadata["serverAddress"] = expression(".Values.scaling.prometheus");
      }
      break;
    }
    case "PodMonitor":
      for (const endpoint of at(tree, "spec")["podMetricsEndpoints"] as Tree[]) {
        endpoint["scheme"] = expression(
          'include "tollgate.scheme" (dict "of" "metrics" "root" .) | lower',
        );
        endpoint["tlsConfig"] = expression("toJson .Values.monitoring.tlsConfig");
      }
      break;
    case "TriggerAuthentication":
      for (const secret of at(tree, "spec")["secretTargetRef"] as Tree[])
        secret["name"] = expression('include "tollgate.kedaSecret" .');
      break;
    case "Service":
      at(tree, "metadata")["annotations"] = expression(
        "toJson .Values.gateway.service.annotations",
      );
      break;
    default:
  }
}

function openPod(tree: Tree, role: string): void {
  const template = at(at(tree, "spec"), "template");
  const metadata = at(template, "metadata");
  metadata["annotations"] = {
    "checksum/config": expression('include "tollgate.config" . | sha256sum'),
  };
  const pod = at(template, "spec");
  const [container] = pod["containers"] as [Tree];
  for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) {
    const asked = (container[probe] as { httpGet?: Tree } | undefined)?.httpGet;
    if (asked === undefined) continue;
    const of = asked["port"] === "metrics" ? "metrics" : "gateway";
    asked["scheme"] = expression(`include "tollgate.scheme" (dict "of" "${of}" "root" .)`);
  }
  container["image"] = expression('include "tollgate.image" .');
  container["imagePullPolicy"] = expression(".Values.image.pullPolicy");
  if (role !== "migrate") container["resources"] = expression(`toJson .Values.${role}.resources`);
  const env = container["env"] as Tree[];
  for (const variable of env) {
    const secret = (variable["valueFrom"] as { secretKeyRef?: Tree } | undefined)?.secretKeyRef;
    if (secret !== undefined)
      secret["name"] = expression(
        `include "tollgate.${secret["name"] === "tollgate-secrets" ? "secretsSecret" : "serversSecret"}" .`,
      );
  }
  container["env"] = [...env, moreItems(".Values.extraEnv")];
  container["volumeMounts"] = [
    ...(container["volumeMounts"] as Tree[]),
    moreItems(".Values.extraVolumeMounts"),
  ];
  pod["volumes"] = [
    ...(pod["volumes"] as Tree[]).map((volume) =>
      volume["name"] === "config"
        ? { name: "config", configMap: { name: "tollgate-config" } }
        : volume,
    ),
    moreItems(".Values.extraVolumes"),
  ];
}

/** What is not there unless a value asks for it. */
function withOptional({ kind, metadata: { name } }: Resource, text: string): string {
  if (kind === "Deployment" && name !== "collector")
    return text.replace(
      "\nspec:\n",
      `\nspec:\n{{- if not ${SCALED} }}\n  replicas: {{ .Values.${name}.replicas }}\n{{- end }}\n`,
    );
  if (kind === "Service")
    return text.replace(
      "\nspec:\n",
      "\nspec:\n{{- with .Values.gateway.service.type }}\n  type: {{ . }}\n{{- end }}\n",
    );
  return text;
}

/** The namespace in queries and addresses is that of the release. */
function renamed(value: unknown): unknown {
  if (typeof value === "string")
    return value.replaceAll(
      /(namespace=\\?")tollgate(\\?")/g,
      `$1${inner(".Release.Namespace")}$2`,
    );
  if (Array.isArray(value)) return value.map(renamed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, below]) => [key, renamed(below)]));
}

function at(tree: Tree, key: string): Tree {
  const found = tree[key];
  if (typeof found !== "object" || found === null) throw new Error(`there is no ${key}`);
  return found as Tree;
}
