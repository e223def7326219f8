import { build, findKustomize, type Root, ROOTS } from "./kustomize.ts";
import type { Resource } from "./schemas/check-schema.ts";

const kustomize = findKustomize();
if (kustomize.command === null) console.warn(`SKIPPED, k8s/ is not checked: ${kustomize.reason}`);

/** What each root builds to; null when this machine cannot build, which stderr then says. */
export const built: Record<Root, Resource[]> | null =
  kustomize.command === null
    ? null
    : (Object.fromEntries(ROOTS.map((root) => [root, build(kustomize.command, root)])) as Record<
        Root,
        Resource[]
      >);

/** The overlays that contain a whole Tollgate. */
export const installations: [root: Root, resources: Resource[]][] =
  built === null
    ? []
    : [
        ["overlays/dev", built["overlays/dev"]],
        ["overlays/production", built["overlays/production"]],
      ];
