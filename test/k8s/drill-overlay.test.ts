/** What `./tollgate drill production` applies is what is shipped. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { copyManifests } from "../../drill/production/overlay.ts";
import { built } from "./built.ts";
import { buildFolder, findKustomize } from "./kustomize.ts";
import type { Resource } from "./schemas/check-schema.ts";

const folder = mkdtempSync(join(tmpdir(), "tollgate-overlay-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { command } = findKustomize();

/** The paths at which two values differ; a list counts as one value where its length differs. */
function differences(before: unknown, after: unknown, path: string): string[] {
  if (Bun.deepEquals(before, after)) return [];
  const isOpen = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null;
  if (!isOpen(before) || !isOpen(after)) return [path];
  if (Array.isArray(before) && before.length !== (after as unknown as unknown[]).length)
    return [path];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => differences(before[key], after[key], `${path}.${key}`));
}

test.skipIf(built === null || command === null)(
  "of production the drill changes what is marked CHANGE, and how many replicas there may be",
  () => {
    const own = buildFolder(command ?? [], copyManifests(folder).overlay);
    const named = (resources: readonly Resource[]): Record<string, Resource> =>
      Object.fromEntries(resources.map((one) => [`${one.kind}/${one.metadata.name}`, one]));

    const found = differences(named(built?.["overlays/production"] ?? []), named(own), "");

    const container = "spec.template.spec.containers.0";
    expect(found.map((path) => path.slice(1)).toSorted()).toEqual(
      [
        ...["gateway", "worker", "collector"].map(
          (role) => `Deployment/${role}.${container}.image`,
        ),
        `Job/migrate.${container}.image`,
        `Deployment/ml.${container}.resources.limits.memory`,
        `Deployment/ml.${container}.resources.limits.nvidia.com/gpu`,
        `Deployment/ml.${container}.resources.requests.cpu`,
        `Deployment/ml.${container}.resources.requests.memory`,
        "Certificate/gateway.spec.dnsNames.0",
        "Ingress/gateway.spec.tls.0.hosts.0",
        "Ingress/gateway.spec.rules.0.host",
        "ObjectStore/backups.spec.configuration.endpointURL",
        "ObjectStore/backups.spec.configuration.endpointCA",
        ...["gateway", "worker", "ml"].map((name) => `ScaledObject/${name}.spec.maxReplicaCount`),
      ].toSorted(),
    );
  },
);
