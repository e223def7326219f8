import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";

import { CHART, findHelm, VALUES_NEEDED } from "../k8s/helm.ts";
import { build, type Root, ROOTS } from "../k8s/kustomize.ts";
import { isWorkload, ofKind } from "../k8s/resources.ts";
import type { Resource } from "../k8s/schemas/check-schema.ts";
import { type Cluster, findCluster } from "./cluster.ts";
import { type Client, mustRun, type Ran } from "../../local/cluster/client.ts";

const source = findCluster(process.env);
const isOwn = source?.isOwn === true;
const helm = findHelm();
/** As `kubectl apply -k` would build them, with the kustomize that is in kubectl. */
const built = Object.fromEntries(
  source === null ? [] : ROOTS.map((root) => [root, build([source.kubectl, "kustomize"], root)]),
) as Record<Root, Resource[]>;

const run = randomBytes(4).toString("hex");
const namespaceFor = (use: "dry" | "kept", root: Root): string =>
  `tollgate-${use}-${root.replace("/", "-")}-${run}`;
const dryRunIn = (root: Root): string => namespaceFor("dry", root);

let cluster: Cluster | undefined;
/** Groups and versions of its API. */
let served = new Set<string>();

const kubectl: Client = (args, input) => {
  if (cluster === undefined) throw new Error("there is no cluster");
  return cluster.kubectl(args, input);
};

describe.skipIf(source === null)("an API server", () => {
  beforeAll(async () => {
    cluster = await source?.open();
    served = new Set(linesOf(await mustRun(kubectl(["api-versions"]))));
    // A dry run does not make the namespace, and nothing can be in one that is not there.
    const namespaces = ROOTS.map((root) => namespaceOf(dryRunIn(root)));
    await mustRun(kubectl(["create", "-f", "-"], textOf(namespaces)));
  });
  afterAll(async () => {
    if (cluster === undefined) return;
    const names = ROOTS.map(dryRunIn);
    await mustRun(kubectl(["delete", "namespace", "--wait=false", ...names]));
    await cluster.stop();
  });

  test.each([...ROOTS])(
    "takes all of k8s/%s, knows every field, and warns of nothing",
    async (root) => {
      const resources = inNamespace(built[root], dryRunIn(root));
      const unknown = resources.filter((resource) => !isServed(resource));
      // Somebody else's cluster may lack operators.
      const known = isOwn ? resources : resources.filter(isServed);
      if (unknown.length > 0) console.warn(`not served here, left out: ${kindsOf(unknown)}`);

      const { exitCode, out, err } = await dryRun(known);

      expect({ exitCode, err }).toEqual({ exitCode: 0, err: "" });
      expect(linesOf(out)).toHaveLength(known.length);
    },
  );

  test("warns of a deprecated API, and of pods that the namespace does not admit", async () => {
    const [workload] = built["overlays/dev"].filter(isWorkload);
    const hostile = structuredClone(workload) as NonNullable<typeof workload>;
    Object.assign(hostile.spec.template.spec, { hostNetwork: true });
    const endpoints = { apiVersion: "v1", kind: "Endpoints", metadata: { name: "old" } };

    const { err } = await dryRun(inNamespace([hostile, endpoints], dryRunIn("overlays/dev")));

    expect(err).toContain("v1 Endpoints is deprecated");
    expect(err).toContain("would violate PodSecurity");
  });

  test.skipIf(!isOwn)("refuses a field that it does not know, and names it", async () => {
    const [scaled] = ofKind(built["overlays/dev"], "ScaledObject");
    const misspelt = changed(scaled, { pollingIntervall: 5 });

    const { exitCode, err } = await dryRun(inNamespace([misspelt], dryRunIn("overlays/dev")));

    expect(exitCode).not.toBe(0);
    expect(err).toContain(".spec.pollingIntervall: field not declared in schema");
  });

  test.skipIf(!isOwn)(
    "refuses what breaks an operator's rule that no schema can tell",
    async () => {
      const [postgres] = ofKind(built["overlays/production"], "Cluster");
      const catalog = {
        apiGroup: "postgresql.cnpg.io",
        kind: "ImageCatalog",
        name: "a",
        major: 17,
      };
      const ambiguous = changed(postgres, { imageCatalogRef: catalog });

      const { exitCode, err } = await dryRun(
        inNamespace([ambiguous], dryRunIn("overlays/production")),
      );

      expect(exitCode).not.toBe(0);
      expect(err).toContain("imageName and imageCatalogRef are mutually exclusive");
    },
  );

  test.skipIf(!isOwn).each(["overlays/dev", "overlays/production"] as const)(
    "keeps k8s/%s, and applying it once more changes nothing",
    async (root) => {
      const resources = inNamespace(built[root], namespaceFor("kept", root));

      const first = await applyVersions(resources);
      const second = await applyVersions(resources);

      expect(first).toHaveLength(resources.length);
      expect(second).toEqual(first);
    },
  );

  test.skipIf(!isOwn || helm === undefined)(
    "takes the Helm chart with all that it has, installed and upgraded",
    async () => {
      const namespace = `tollgate-helm-${run}`;
      const flags = ["--namespace", namespace, "--create-namespace", "--values", "-"];
      const apply = (tag: string): Promise<Ran> | undefined =>
        cluster?.client(helm ?? "")(
          ["upgrade", "--install", "tollgate", CHART, ...flags],
          JSON.stringify({ ...VALUES_WHOLE, image: { tag } }),
        );

      const installed = await apply("one");
      const upgraded = await apply("two");

      expect([installed, upgraded]).toMatchObject([
        { exitCode: 0, err: "" },
        { exitCode: 0, err: "" },
      ]);
      const image = "jsonpath={.spec.template.spec.containers[0].image}";
      const kept = await mustRun(
        kubectl(["get", "deployment", "gateway", "--namespace", namespace, "-o", image]),
      );
      expect(kept).toBe("tollgate:two");
    },
  );
});

/** Every part of the chart. */
const VALUES_WHOLE = {
  ...VALUES_NEEDED,
  scaling: { ...VALUES_NEEDED.scaling, ml: { enabled: true } },
  networkPolicies: { enabled: true },
  ingress: { enabled: true, host: "tollgate.example.com" },
};

const isNamespace = ({ kind }: Resource): boolean => kind === "Namespace";
const isServed = ({ apiVersion }: Resource): boolean => served.has(apiVersion);
const kindsOf = (resources: readonly Resource[]): string =>
  [...new Set(resources.map(({ kind }) => kind))].join(", ");

/** With the labels of ours: they say which pods are admitted. */
function namespaceOf(name: string): Resource {
  const namespace = built["overlays/dev"].find(isNamespace) as Resource;
  return { ...namespace, metadata: { ...namespace.metadata, name } };
}

/** A namespace, and in it what is not one. */
const inNamespace = (resources: readonly Resource[], namespace: string): Resource[] => [
  namespaceOf(namespace),
  ...resources
    .filter((resource) => !isNamespace(resource))
    .map((resource) => ({ ...resource, metadata: { ...resource.metadata, namespace } })),
];

/** A resource with other fields in its spec. */
function changed(resource: Resource | undefined, fields: Record<string, unknown>): Resource {
  const copy = structuredClone(resource) as Resource & { spec: Record<string, unknown> };
  Object.assign(copy.spec, fields);
  return copy;
}

/** Not as a List: its fields kubectl would check by itself, and the server not at all. */
const textOf = (resources: readonly Resource[]): string =>
  resources.map((resource) => JSON.stringify(resource)).join("\n---\n");

const linesOf = (text: string): string[] => text.split("\n").filter((line) => line !== "");

const APPLY = ["apply", "--server-side", "--validate=strict", "-f", "-"];

const dryRun = (resources: readonly Resource[]): Promise<Ran> =>
  kubectl([...APPLY, "--dry-run=server", "-o", "name"], textOf(resources));

/** Applies for real: which version of each resource is kept afterwards. */
async function applyVersions(resources: readonly Resource[]): Promise<string[]> {
  const applied = await mustRun(kubectl([...APPLY, "-o", "json"], textOf(resources)));
  const { items } = JSON.parse(applied) as {
    items: (Resource & { metadata: { resourceVersion: string } })[];
  };
  return items.map(({ kind, metadata }) => `${kind} ${metadata.name} ${metadata.resourceVersion}`);
}
