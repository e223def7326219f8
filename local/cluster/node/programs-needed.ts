import { existsSync } from "node:fs";
import { join } from "node:path";

import { CommandFailure, EXIT } from "../../../adapters/terminal/failure.ts";
import { findProgram } from "../programs.ts";
import type { ProgramName } from "../sources.ts";

const BUILT = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kube-proxy",
  "kubectl",
  "kube-router",
] as const satisfies readonly ProgramName[];
/** Where each built program is. */
export type Programs = Record<(typeof BUILT)[number], string>;

/** Of Debian's packages. */
const INSTALLED = {
  containerd: "containerd",
  ctr: "containerd",
  runc: "runc",
  iptables: "iptables",
  ipset: "ipset",
  conntrack: "conntrack",
  ip: "iproute2",
  unshare: "util-linux",
  nsenter: "util-linux",
} as const;
const CNI_FOLDERS = ["/usr/lib/cni", "/opt/cni/bin"];

/** Where programs of the system are, whatever the path of a user is. */
export const systemPath = (env: Record<string, string | undefined>): string =>
  `${env["PATH"] ?? ""}:/usr/sbin:/sbin`;

/** Why no cluster can start here, in a line that says what to do; undefined when one can. */
export function whyNoCluster(env: Record<string, string | undefined>): string | undefined {
  if (process.platform !== "linux") return "a cluster of this command runs on Linux";
  if (process.getuid?.() !== 0) return "only root can start a cluster here";
  const unbuilt = BUILT.filter((name) => findProgram(name, env) === undefined);
  if (unbuilt.length > 0)
    return `not built: ${unbuilt.join(", ")}; ./tollgate drill cluster --build builds them, once`;
  const PATH = systemPath(env);
  const packages = Object.entries(INSTALLED)
    .filter(([program]) => Bun.which(program, { PATH }) === null)
    .map(([, name]) => name);
  if (findCniPlugins() === undefined) packages.push("containerd");
  if (packages.length > 0)
    return `missing here: apt-get install --no-install-recommends ${[...new Set(packages)].join(" ")}`;
  return undefined;
}

/** The folder of the plugins for networks of pods. */
const findCniPlugins = (): string | undefined =>
  CNI_FOLDERS.find((folder) => existsSync(join(folder, "ptp")));

/** @throws {CommandFailure} when something is missing, with how to have it */
export function requirePrograms(env: Record<string, string | undefined>): {
  programs: Programs;
  cniPlugins: string;
} {
  const why = whyNoCluster(env);
  if (why !== undefined) throw new CommandFailure(why, { exitCode: EXIT.usage });
  const programs = Object.fromEntries(BUILT.map((name) => [name, findProgram(name, env) ?? ""]));
  return { programs: programs as Programs, cniPlugins: findCniPlugins() ?? "" };
}
