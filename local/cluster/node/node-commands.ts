import { join } from "node:path";

import type { Command } from "./control-plane.ts";
import { POD_RANGE, SERVICE_RANGE } from "./network.ts";
import type { NodeFiles } from "./node-files.ts";
import type { Programs } from "./programs-needed.ts";

interface NodePlan {
  name: string;
  address: string;
  folder: string;
  files: NodeFiles;
  kubeconfigs: { kubelet: string; proxy: string };
}

/** The programs of a node that run its pods. containerd has to serve before the others start. */
export function nodeCommands(
  programs: Programs,
  { name, address, folder, files, kubeconfigs }: NodePlan,
): { containerd: Command; others: Command[] } {
  return {
    containerd: { name: "containerd", command: ["containerd", `--config=${files.containerd}`] },
    others: [
      {
        name: "kubelet",
        command: [
          programs.kubelet,
          `--config=${files.kubelet}`,
          `--kubeconfig=${kubeconfigs.kubelet}`,
          `--root-dir=${join(folder, "kubelet")}`,
          `--cert-dir=${join(folder, "kubelet-certificates")}`,
          `--hostname-override=${name}`,
          `--node-ip=${address}`,
        ],
      },
      {
        name: "kube-proxy",
        command: [
          programs["kube-proxy"],
          `--kubeconfig=${kubeconfigs.proxy}`,
          "--proxy-mode=iptables",
          `--cluster-cidr=${POD_RANGE}`,
          `--hostname-override=${name}`,
          // Only the network that the kernel began with may set it.
          "--conntrack-max-per-core=0",
        ],
      },
    ],
  };
}

/** Enforces network policies for the pods of a node. */
export const policyCommand = (program: string, name: string, kubeconfig: string): Command => ({
  name: "kube-router",
  command: [
    program,
    "--run-firewall=true",
    "--run-router=false",
    "--run-service-proxy=false",
    "--run-loadbalancer=false",
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${name}`,
    `--service-cluster-ip-range=${SERVICE_RANGE}`,
    "--cache-sync-timeout=1m",
    "--iptables-sync-period=1m",
  ],
});
