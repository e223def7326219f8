import { IMAGES } from "./images/images.ts";

export interface Resource {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  spec?: Record<string, unknown>;
  subjects?: { namespace?: string }[];
}

interface PodSpec {
  containers: Container[];
  initContainers?: Container[];
}

interface Container {
  image: string;
  imagePullPolicy?: string;
  args?: string[];
}

/** An operator's manifest with our images, none of which a registry is asked for. */
export function adapt(resources: readonly Resource[], namespace?: string): Resource[] {
  const adapted = structuredClone(resources) as Resource[];
  for (const resource of adapted) {
    for (const container of containersOf(resource)) {
      container.image = ownImage(container.image);
      container.imagePullPolicy = "Never";
      if (container.image === IMAGES["metrics-server"].reference)
        // The kubelets of this machine sign their certificates themselves.
        container.args = [...(container.args ?? []), "--kubelet-insecure-tls"];
    }
    if (namespace !== undefined) moveFromDefault(resource, namespace);
  }
  if (namespace === undefined) return adapted;
  return [{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }, ...adapted];
}

function containersOf({ spec }: Resource): Container[] {
  const template = (spec as { template?: { spec?: Partial<PodSpec> } } | undefined)?.template;
  return [...(template?.spec?.containers ?? []), ...(template?.spec?.initContainers ?? [])];
}

/** Our image of that name, whatever the tag; a module may name a registry for what is not released. */
function ownImage(named: string): string {
  const image = Object.values(IMAGES).find(({ reference }) => nameOf(reference) === nameOf(named));
  if (image === undefined) throw new Error(`no image is made for ${named}`);
  return image.reference;
}

const nameOf = (reference: string): string =>
  (reference.split("/").at(-1) ?? "").replace(/[@:].*$/, "");

function moveFromDefault({ metadata, subjects }: Resource, namespace: string): void {
  for (const place of [metadata, ...(subjects ?? [])])
    if (place.namespace === "default") place.namespace = namespace;
}
