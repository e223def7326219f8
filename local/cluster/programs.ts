import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { cacheFolder, cacheKey } from "./cache.ts";

/** The folder of each has a go.mod and a go.sum that pin every module of its programs. */
const SOURCES = {
  etcd: { folder: "build/etcd", module: "go.etcd.io/etcd/server/v3" },
  helm: { folder: "build/helm", module: "helm.sh/helm/v3" },
  kubernetes: { folder: "build/kubernetes", module: "k8s.io/kubernetes" },
} as const;

/** What a cluster of one machine consists of or is used with, and the source of each; quick ones first. */
const SOURCE_OF = {
  etcd: "etcd",
  helm: "helm",
  kubectl: "kubernetes",
  "kube-apiserver": "kubernetes",
  "kube-scheduler": "kubernetes",
  "kube-proxy": "kubernetes",
  "kube-controller-manager": "kubernetes",
  kubelet: "kubernetes",
} as const satisfies Record<string, keyof typeof SOURCES>;
export type ProgramName = keyof typeof SOURCE_OF;

export const PROGRAM_NAMES = Object.keys(SOURCE_OF) as ProgramName[];

export interface Program {
  name: ProgramName;
  version: string;
  /** Where it is, or will be once it is built. */
  path: string;
  /** Where and how to build it: arguments of `go build`, but for the output. */
  sourceFolder: string;
  flags: readonly string[];
  goPackage: string;
}

/** Nothing of the machine or of this checkout gets into a program. */
const FLAGS = ["-mod=readonly", "-trimpath", "-buildvcs=false"];

/** Programs ask each other for their version; a build outside of Kubernetes' own scripts has to set it. */
function linkerFlags(version: string): string {
  const [major = "", minor = ""] = version.split(".");
  const values = {
    gitVersion: `v${version}`,
    gitMajor: major,
    gitMinor: minor,
    gitCommit: "none",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
  };
  const settings = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap(
    (path) => Object.entries(values).map(([name, value]) => `-X ${path}.${name}=${value}`),
  );
  return ["-s -w", ...settings].join(" ");
}

export function describeProgram(
  name: ProgramName,
  env: Record<string, string | undefined>,
): Program {
  const source = SOURCE_OF[name];
  const { folder, module } = SOURCES[source];
  const sourceFolder = join(import.meta.dir, folder);
  const [mod, sum] = ["go.mod", "go.sum"].map((file) =>
    readFileSync(join(sourceFolder, file), "utf8"),
  ) as [string, string];
  const version = mod.match(`${module} v(\\S+)`)?.[1];
  if (version === undefined) throw new Error(`${folder}/go.mod does not name ${module}`);
  const flags = [...FLAGS, `-ldflags=${source === "kubernetes" ? linkerFlags(version) : "-s -w"}`];
  const key = cacheKey(`${source}-${version}`, [
    mod,
    sum,
    ...flags,
    process.platform,
    process.arch,
  ]);
  return {
    name,
    version,
    path: join(cacheFolder(env), key, name),
    sourceFolder,
    flags,
    goPackage: source === "etcd" ? "." : `${module}/cmd/${name}`,
  };
}

/** The path of a program that was built; undefined when it is not there. */
export function findProgram(
  name: ProgramName,
  env: Record<string, string | undefined>,
): string | undefined {
  const { path } = describeProgram(name, env);
  return existsSync(path) ? path : undefined;
}
