/**
 * Fetches the schemas that `test/k8s` validates against, from their publishers' own Go modules, and writes
 * them without prose to `schemas.json.gz`. The validators on npm (`kubernetes-models`) let unknown fields
 * pass and lack RabbitMQ and Barman. Run it after raising a version: `bun test/k8s/schemas/vendor.ts` (needs
 * Go; the tests do not).
 */
import { join } from "node:path";

import { type OperatorName, OPERATORS } from "../../../local/cluster/operators.ts";
import type { Schema, SchemaBundle } from "./check-schema.ts";

const KUBERNETES = "k8s.io/kubernetes@v1.35.0";

/** Which resources of each operator the manifests use. */
const CUSTOM_RESOURCES: Record<OperatorName, readonly string[]> = {
  keda: ["keda.sh_scaledobjects.yaml", "keda.sh_triggerauthentications.yaml"],
  "cert-manager": ["cert-manager.io_certificates.yaml", "cert-manager.io_issuers.yaml"],
  prometheus: [
    "monitoring.coreos.com_podmonitors.yaml",
    "monitoring.coreos.com_prometheusrules.yaml",
  ],
  cloudnativepg: ["postgresql.cnpg.io_clusters.yaml", "postgresql.cnpg.io_scheduledbackups.yaml"],
  "barman-cloud": ["barmancloud.cnpg.io_objectstores.yaml"],
  "rabbitmq-cluster": ["rabbitmq.com_rabbitmqclusters.yaml"],
  "rabbitmq-topology": ["rabbitmq.com_users.yaml", "rabbitmq.com_permissions.yaml"],
};

/** `apiVersion kind` of the built-in resources, by their definition in Kubernetes's OpenAPI document. */
const BUILT_IN: Record<string, string> = {
  "v1 ConfigMap": "io.k8s.api.core.v1.ConfigMap",
  "v1 Namespace": "io.k8s.api.core.v1.Namespace",
  "v1 PersistentVolumeClaim": "io.k8s.api.core.v1.PersistentVolumeClaim",
  "v1 Secret": "io.k8s.api.core.v1.Secret",
  "v1 Service": "io.k8s.api.core.v1.Service",
  "v1 ServiceAccount": "io.k8s.api.core.v1.ServiceAccount",
  "apps/v1 Deployment": "io.k8s.api.apps.v1.Deployment",
  "apps/v1 StatefulSet": "io.k8s.api.apps.v1.StatefulSet",
  "batch/v1 Job": "io.k8s.api.batch.v1.Job",
  "networking.k8s.io/v1 Ingress": "io.k8s.api.networking.v1.Ingress",
  "networking.k8s.io/v1 NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
  "policy/v1 PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
};

/** Where KEDA's scalers say which metadata and authentication keys they read. */
const SCALERS: Record<string, string> = {
  rabbitmq: "pkg/scalers/rabbitmq_scaler.go",
  prometheus: "pkg/scalers/prometheus_scaler.go",
  cpu: "pkg/scalers/cpu_memory_scaler.go",
  memory: "pkg/scalers/cpu_memory_scaler.go",
};

interface CustomResourceDefinition {
  spec: {
    group: string;
    names: { kind: string };
    versions: { name: string; served: boolean; schema: { openAPIV3Schema: Schema } }[];
  };
}

const moduleOf = (name: OperatorName): string =>
  `${OPERATORS[name].module}@${OPERATORS[name].version}`;

async function download(module: string): Promise<string> {
  const { stdout } = Bun.spawnSync(["go", "mod", "download", "-json", module]);
  const { Dir: folder, Error: problem } = JSON.parse(stdout.toString()) as {
    Dir?: string;
    Error?: string;
  };
  if (folder === undefined) throw new Error(`${module}: ${problem ?? "cannot be downloaded"}`);
  return folder;
}

const PROSE = new Set(["description", "default", "example", "externalDocs"]);

/** A schema without prose, defaults, rules in CEL and the status that controllers write. */
function withoutProse(value: unknown, insideProperties = false): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutProse(item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(
        ([key]) => insideProperties || !(PROSE.has(key) || key === "x-kubernetes-validations"),
      )
      .map(([key, child]) => [key, withoutProse(child, key === "properties" && !insideProperties)]),
  );
}

function referenced(value: unknown, found: Set<string>): void {
  if (Array.isArray(value)) {
    for (const item of value) referenced(item, found);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    if (key === "$ref" && typeof child === "string") found.add(child.replace("#/definitions/", ""));
    else referenced(child, found);
  }
}

async function builtInSchemas(bundle: SchemaBundle): Promise<void> {
  const folder = await download(KUBERNETES);
  const { definitions } = (await Bun.file(
    join(folder, "api/openapi-spec/swagger.json"),
  ).json()) as {
    definitions: Record<string, Schema>;
  };
  const wanted = new Set([
    ...Object.values(BUILT_IN),
    "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
  ]);
  for (const name of wanted) {
    const definition = definitions[name];
    if (definition === undefined) throw new Error(`${KUBERNETES} has no ${name}`);
    bundle.definitions[name] = withoutProse(definition) as Schema;
    referenced(definition, wanted);
  }
  for (const [kind, name] of Object.entries(BUILT_IN))
    bundle.kinds[kind] = { $ref: `#/definitions/${name}` };
}

async function customSchemas(bundle: SchemaBundle): Promise<void> {
  for (const [name, files] of Object.entries(CUSTOM_RESOURCES) as [OperatorName, string[]][]) {
    const folder = await download(moduleOf(name));
    for (const file of files) {
      const text = await Bun.file(join(folder, OPERATORS[name].definitions, file)).text();
      const documents = [Bun.YAML.parse(text)].flat() as (CustomResourceDefinition | null)[];
      for (const { spec } of documents.filter((document) => document !== null)) {
        for (const version of spec.versions.filter(({ served }) => served)) {
          const schema = withoutProse(version.schema.openAPIV3Schema) as Schema;
          delete schema.properties?.["status"];
          bundle.kinds[`${spec.group}/${version.name} ${spec.names.kind}`] = schema;
        }
      }
    }
  }
}

async function scalerKeys(bundle: SchemaBundle): Promise<void> {
  const folder = await download(moduleOf("keda"));
  for (const [type, path] of Object.entries(SCALERS)) {
    const source = await Bun.file(join(folder, path)).text();
    const keys: SchemaBundle["scalers"][string] = {};
    for (const [, tag = ""] of source.matchAll(/`keda:"(name=[^"]*)"`/g)) {
      const parts = tag.split(",").map((part) => part.trim());
      const value = (key: string) =>
        parts.find((part) => part.startsWith(`${key}=`))?.slice(key.length + 1);
      const name = value("name");
      if (name === undefined || value("deprecated") !== undefined) continue;
      keys[name] = {
        from: value("order")?.split(";") ?? [],
        optional: parts.includes("optional") || value("default") !== undefined,
      };
    }
    bundle.scalers[type] = keys;
  }
}

const bundle: SchemaBundle = {
  sources: [KUBERNETES, ...(Object.keys(CUSTOM_RESOURCES) as OperatorName[]).map(moduleOf)],
  definitions: {},
  kinds: {},
  scalers: {},
};
await builtInSchemas(bundle);
await customSchemas(bundle);
await scalerKeys(bundle);
const target = join(import.meta.dir, "schemas.json.gz");
await Bun.write(target, Bun.gzipSync(JSON.stringify(bundle), { level: 9 }));
console.log(`${target}: ${Object.keys(bundle.kinds).length} kinds, ${Bun.file(target).size} bytes`);
