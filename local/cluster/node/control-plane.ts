import { join } from "node:path";

import { API_PORT, type Credentials, FRONT_PROXY } from "./credentials.ts";
import { addressOf, POD_RANGE, SERVICE_RANGE } from "./network.ts";
import type { Programs } from "./programs-needed.ts";

/** A program and its arguments. */
export interface Command {
  name: string;
  command: readonly string[];
}

const ETCD = "http://127.0.0.1:2379";

/** What keeps the state of a cluster, and its API. It forgets all when the machine stops. */
export function apiCommands(
  programs: Programs,
  folder: string,
  {
    ca,
    apiServer,
    serviceAccounts,
    frontProxy,
    kubeletClient,
    tokens,
  }: Omit<Credentials, "kubeconfigOf">,
): Command[] {
  return [
    {
      name: "etcd",
      command: [
        programs.etcd,
        `--data-dir=${join(folder, "etcd")}`,
        "--unsafe-no-fsync",
        `--listen-client-urls=${ETCD}`,
        `--advertise-client-urls=${ETCD}`,
        "--log-level=warn",
      ],
    },
    {
      name: "kube-apiserver",
      command: [
        programs["kube-apiserver"],
        `--etcd-servers=${ETCD}`,
        `--advertise-address=${addressOf(0)}`,
        `--secure-port=${API_PORT}`,
        `--service-cluster-ip-range=${SERVICE_RANGE}`,
        `--client-ca-file=${ca}`,
        `--tls-cert-file=${apiServer.cert}`,
        `--tls-private-key-file=${apiServer.key}`,
        `--token-auth-file=${tokens}`,
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        `--kubelet-client-certificate=${kubeletClient.cert}`,
        `--kubelet-client-key=${kubeletClient.key}`,
        // Nodes have no names that anybody resolves.
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        `--service-account-signing-key-file=${serviceAccounts.key}`,
        `--service-account-key-file=${serviceAccounts.cert}`,
        `--requestheader-client-ca-file=${ca}`,
        `--requestheader-allowed-names=${FRONT_PROXY}`,
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        `--proxy-client-cert-file=${frontProxy.cert}`,
        `--proxy-client-key-file=${frontProxy.key}`,
        "--enable-aggregator-routing=true",
      ],
    },
  ];
}

/** What acts on that state. */
export function controllerCommands(
  programs: Programs,
  {
    ca,
    serviceAccounts,
    kubeconfigOf,
  }: Pick<Credentials, "ca" | "serviceAccounts" | "kubeconfigOf">,
): Command[] {
  return [
    {
      name: "kube-controller-manager",
      command: [
        programs["kube-controller-manager"],
        ...kubeconfigFlags(kubeconfigOf("system:kube-controller-manager")),
        `--service-account-private-key-file=${serviceAccounts.key}`,
        `--root-ca-file=${ca}`,
        "--use-service-account-credentials",
        "--allocate-node-cidrs",
        `--cluster-cidr=${POD_RANGE}`,
        `--service-cluster-ip-range=${SERVICE_RANGE}`,
      ],
    },
    {
      name: "kube-scheduler",
      command: [
        programs["kube-scheduler"],
        ...kubeconfigFlags(kubeconfigOf("system:kube-scheduler")),
      ],
    },
  ];
}

/** There is one of each, so nobody has to be elected. */
const kubeconfigFlags = (path: string): string[] => [
  `--kubeconfig=${path}`,
  `--authentication-kubeconfig=${path}`,
  `--authorization-kubeconfig=${path}`,
  "--leader-elect=false",
];
