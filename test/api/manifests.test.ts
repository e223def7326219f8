import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";

import { build, type Root, ROOTS } from "../k8s/kustomize.ts";
import { type PostgresCluster, isWorkload, ofKind } from "../k8s/resources.ts";
import type { Resource } from "../k8s/schemas/check-schema.ts";
import { type Cluster, findCluster } from "./cluster.ts";
import { mustRun, type Ran } from "./kubectl.ts";

const source = findCluster(process.env);
/** As `kubectl apply -k` would build them, with the kustomize that is in kubectl. */
const built = Object.fromEntries(
  source === null ? [] : ROOTS.map((root) => [root, build([source.kubectl, "kustomize"], root)]),
) as Record<Root, Resource[]>;

const run = randomBytes(4).toString("hex");
const dryRunIn = (root: Root): string => `tollgate-dry-${root.replace("/", "-")}-${run}`;
const appliedIn = (root: Root): string => `tollgate-${root.replace("/", "-")}-${run}`;

let cluster: Cluster;

describe.skipIf(source === null)("an API server", () => {
  beforeAll(async () => {
    cluster = (await source?.open()) as Cluster;
    // A dry run does not make the namespace, and nothing can be in one that is not there.
    const namespaces = ROOTS.map((root) => namespaceOf(dryRunIn(root)));
    await mustRun(cluster.kubectl(["create", "-f", "-"], listOf(namespaces)));
  });
  afterAll(async () => {
    const names = ROOTS.map(dryRunIn);
    await mustRun(cluster.kubectl(["delete", "namespace", "--wait=false", ...names]));
    await cluster.stop();
  });

  test.each([...ROOTS])(
    "takes all of k8s/%s, knows every field, and warns of nothing",
    async (root) => {
      const resources = moved(built[root], dryRunIn(root));

      const { exitCode, out, err } = await dryRun(resources);

      expect({ exitCode, err }).toEqual({ exitCode: 0, err: "" });
      expect(linesOf(out)).toHaveLength(resources.length);
    },
  );

  test("refuses a field that it does not know, and names it", async () => {
    const [scaled] = ofKind(built["overlays/dev"], "ScaledObject");
    const misspelt = changed(scaled, { pollingIntervall: 5 });

    const { exitCode, err } = await dryRun(moved([misspelt], dryRunIn("overlays/dev")));

    expect(exitCode).not.toBe(0);
    expect(err).toContain('unknown field "spec.pollingIntervall"');
  });

  test("refuses what breaks a rule of an operator's definition that no schema can tell", async () => {
    const [postgres] = ofKind<PostgresCluster>(built["overlays/production"], "Cluster");
    const catalog = { apiGroup: "postgresql.cnpg.io", kind: "ImageCatalog", name: "a", major: 17 };
    const ambiguous = changed(postgres, { imageCatalogRef: catalog });

    const { exitCode, err } = await dryRun(moved([ambiguous], dryRunIn("overlays/production")));

    expect(exitCode).not.toBe(0);
    expect(err).toContain("imageName and imageCatalogRef are mutually exclusive");
  });

  test("warns of a deprecated API, and of pods that its namespace does not admit", async () => {
    const [workload] = built["overlays/dev"].filter(isWorkload);
    const hostile = structuredClone(workload) as NonNullable<typeof workload>;
    Object.assign(hostile.spec.template.spec, { hostNetwork: true });
    const endpoints = { apiVersion: "v1", kind: "Endpoints", metadata: { name: "old" } };

    const { err } = await dryRun(moved([hostile, endpoints], dryRunIn("overlays/dev")));

    expect(err).toContain("v1 Endpoints is deprecated");
    expect(err).toContain("would violate PodSecurity");
  });

  test.skipIf(source?.isOwn !== true).each(["overlays/dev", "overlays/production"] as const)(
    "keeps k8s/%s, and applying it once more changes nothing",
    async (root) => {
      const resources = moved(built[root], appliedIn(root));
      await mustRun(
        cluster.kubectl(
          ["apply", "--server-side", "-f", "-"],
          listOf(resources.filter(isNamespace)),
        ),
      );

      const versions = [await applyVersions(resources), await applyVersions(resources)];

      expect(versions[0]).toHaveLength(resources.length);
      expect(versions[1]).toEqual(versions[0]);
    },
  );
});

const isNamespace = ({ kind }: Resource): boolean => kind === "Namespace";

/** With the labels of ours: they say which pods are admitted. */
function namespaceOf(name: string): Resource {
  const namespace = built["overlays/dev"].find(isNamespace) as Resource;
  return { ...namespace, metadata: { ...namespace.metadata, name } };
}

/** The resources as they would be in another namespace. */
const moved = (resources: readonly Resource[], namespace: string): Resource[] =>
  resources.map((resource) =>
    isNamespace(resource)
      ? namespaceOf(namespace)
      : { ...resource, metadata: { ...resource.metadata, namespace } },
  );

/** A resource with other fields in its spec. */
function changed(resource: Resource | undefined, fields: Record<string, unknown>): Resource {
  const copy = structuredClone(resource) as Resource & { spec: Record<string, unknown> };
  Object.assign(copy.spec, fields);
  return copy;
}

const listOf = (items: readonly Resource[]): string =>
  JSON.stringify({ apiVersion: "v1", kind: "List", items });

const linesOf = (text: string): string[] => text.split("\n").filter((line) => line !== "");

const dryRun = (resources: readonly Resource[]): Promise<Ran> =>
  cluster.kubectl(
    ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", "-o", "name"],
    listOf(resources),
  );

/** Applies for real: which version of each resource is kept afterwards. */
async function applyVersions(resources: readonly Resource[]): Promise<string[]> {
  const args = ["apply", "--server-side", "--validate=strict", "-f", "-", "-o", "json"];
  const { items } = JSON.parse(await mustRun(cluster.kubectl(args, listOf(resources)))) as {
    items: (Resource & { metadata: { resourceVersion: string } })[];
  };
  return items.map(({ kind, metadata }) => `${kind} ${metadata.name} ${metadata.resourceVersion}`);
}
