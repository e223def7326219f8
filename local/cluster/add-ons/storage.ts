import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";

/** Every claim takes one, and nobody provides more: `overlays/production` and what it restores take 10. */
const PER_NODE = 12;
const CLASS = "standard";

/** Resources of Kubernetes: the default storage class, and volumes for it on every node. */
export function makeStorage(folder: string, nodes: readonly string[]): object[] {
  const volumes = nodes.flatMap((node) =>
    Array.from({ length: PER_NODE }, (_, index) => {
      const name = `${node}-${index + 1}`;
      const path = join(folder, "volumes", name);
      mkdirSync(path, { recursive: true });
      // Whoever the pod runs as.
      chmodSync(path, 0o777);
      return volume(name, node, path);
    }),
  );
  return [STORAGE_CLASS, ...volumes];
}

const STORAGE_CLASS = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: {
    name: CLASS,
    annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
  },
  provisioner: "kubernetes.io/no-provisioner",
  volumeBindingMode: "WaitForFirstConsumer",
};

/** Of the kind `local`, for which `fsGroup` holds, as it does not for `hostPath`. */
const volume = (name: string, node: string, path: string): object => ({
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { name },
  spec: {
    // Nothing measures it: as much as any claim asks for.
    capacity: { storage: "1Ti" },
    accessModes: ["ReadWriteOnce"],
    storageClassName: CLASS,
    persistentVolumeReclaimPolicy: "Retain",
    local: { path },
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [
          {
            matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [node] }],
          },
        ],
      },
    },
  },
});
