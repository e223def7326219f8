import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { newPassword } from "../../servers/password.ts";
import { type Certificate, makeAuthority } from "../../tls/authority.ts";
import { addressOf, API_SERVICE } from "./network.ts";

/** Users of the API server that are not nodes, and their groups. What they may do is bound to these names. */
const USERS = {
  admin: ["system:masters"],
  "system:kube-controller-manager": [],
  "system:kube-scheduler": [],
  "system:kube-proxy": [],
} as const satisfies Record<string, readonly string[]>;
export type User = keyof typeof USERS | `system:node:${string}`;

/** What programs of a cluster know each other by: files. */
export interface Credentials {
  ca: string;
  apiServer: Certificate;
  /** Signs the tokens of service accounts. */
  serviceAccounts: Certificate;
  /** Shown to API servers that extend ours. */
  frontProxy: Certificate;
  /** Shown to kubelets; its name is `kube-apiserver`. */
  kubeletClient: Certificate;
  /** Users and their tokens. */
  tokens: string;
  /** A kubeconfig of that user. */
  kubeconfigOf: (user: User) => string;
}

export const FRONT_PROXY = "front-proxy";
const API_NAMES = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"];
export const API_PORT = 6443;

export async function makeCredentials(
  folder: string,
  nodes: readonly string[],
): Promise<Credentials> {
  const authority = await makeAuthority(folder, "Tollgate's cluster");
  const hosts = [
    ...API_NAMES,
    "kubernetes.default.svc.cluster.local",
    API_SERVICE,
    "127.0.0.1",
    addressOf(0),
  ];
  const apiServer = await authority.issue({ name: "kube-apiserver", hosts });
  const users: Record<string, readonly string[]> = { ...USERS };
  for (const node of nodes) users[`system:node:${node}`] = ["system:nodes"];
  const tokenOf = new Map(Object.keys(users).map((user) => [user, newPassword()]));
  const tokens = join(folder, "tokens.csv");
  writeFileSync(tokens, tokensText(users, tokenOf), { mode: 0o600 });

  return {
    ca: authority.ca,
    apiServer,
    kubeletClient: apiServer,
    serviceAccounts: await authority.issue({ name: "service-accounts" }),
    frontProxy: await authority.issue({ name: FRONT_PROXY }),
    tokens,
    kubeconfigOf: (user) => {
      const path = join(folder, `${user.replaceAll(":", "-")}.kubeconfig`);
      const text = kubeconfigText(authority.ca, user, tokenOf.get(user) ?? "");
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    },
  };
}

/** Lines of `token,user,id,"group,group"`. */
function tokensText(
  users: Record<string, readonly string[]>,
  tokenOf: ReadonlyMap<string, string>,
): string {
  const lines = Object.entries(users).map(([user, groups]) =>
    [tokenOf.get(user), user, user, `"${groups.join(",")}"`].join(","),
  );
  return `${lines.join("\n")}\n`;
}

const kubeconfigText = (ca: string, user: string, token: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "tollgate",
    clusters: [
      {
        name: "tollgate",
        cluster: { server: `https://${addressOf(0)}:${API_PORT}`, "certificate-authority": ca },
      },
    ],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: "tollgate", context: { cluster: "tollgate", user } }],
  });
