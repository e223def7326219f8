import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { DNS_SERVICE } from "./network.ts";

export const CONTAINERD_SOCKET = "/run/containerd/containerd.sock";
export const PAUSE_IMAGE = "registry.k8s.io/pause:3.10";

/** Where a node's images and containers are. */
export const containerdRoot = (folder: string): string => join(folder, "containerd");

/** Files of a node, in the folder of its machine. */
export interface NodeFiles {
  containerd: string;
  kubelet: string;
}

export function writeNodeFiles(
  folder: string,
  { address, ca, cniPlugins }: { address: string; ca: string; cniPlugins: string },
): NodeFiles {
  const [networks, resolver] = [join(folder, "cni"), join(folder, "resolv.conf")];
  const files = {
    containerd: join(folder, "containerd.toml"),
    kubelet: join(folder, "kubelet.json"),
  };
  mkdirSync(networks, { recursive: true });
  writeFileSync(files.containerd, containerdText({ folder, networks, cniPlugins }));
  // Only what is in the cluster has a name there.
  writeFileSync(resolver, "nameserver 127.0.0.1\n");
  const kubelet = kubeletConfiguration({ folder, address, ca, resolver });
  writeFileSync(files.kubelet, JSON.stringify(kubelet));
  return files;
}

function containerdText({
  folder,
  networks,
  cniPlugins,
}: {
  folder: string;
  networks: string;
  cniPlugins: string;
}): string {
  return `version = 2
root = "${containerdRoot(folder)}"
state = "/run/containerd"
[grpc]
  address = "${CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${join(folder, "containerd-opt")}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  # Below the score of the session that started the cluster no process can go.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${cniPlugins}"
    conf_dir = "${networks}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`;
}

/** https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/ */
const kubeletConfiguration = ({
  folder,
  address,
  ca,
  resolver,
}: {
  folder: string;
  address: string;
  ca: string;
  resolver: string;
}): object => ({
  apiVersion: "kubelet.config.k8s.io/v1beta1",
  kind: "KubeletConfiguration",
  address,
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: ca },
  },
  authorization: { mode: "Webhook" },
  clusterDomain: "cluster.local",
  clusterDNS: [DNS_SERVICE],
  resolvConf: resolver,
  cgroupDriver: "cgroupfs",
  failCgroupV1: false,
  failSwapOn: false,
  containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
  volumePluginDir: join(folder, "volume-plugins"),
  maxPods: 150,
  // A disk that is fuller than the defaults allow is still good enough for a rehearsal.
  evictionHard: {
    "memory.available": "100Mi",
    "nodefs.available": "1Gi",
    "imagefs.available": "1Gi",
  },
  // Images cannot be pulled again.
  imageGCHighThresholdPercent: 100,
});

/**
 * Gives pods of the node addresses of the range. Each has a link of its own to the node (`ptp`), not a
 * bridge: all its packets are routed, and pass the rules of services and policies.
 */
export function writePodNetwork(folder: string, range: string): void {
  const network = {
    cniVersion: "0.4.0",
    name: "pods",
    plugins: [
      {
        type: "ptp",
        ipMasq: false,
        mtu: 1500,
        ipam: {
          type: "host-local",
          ranges: [[{ subnet: range }]],
          routes: [{ dst: "0.0.0.0/0" }],
          dataDir: join(folder, "addresses"),
        },
      },
    ],
  };
  writeFileSync(join(folder, "cni/10-pods.conflist"), JSON.stringify(network));
}
