import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { Glob } from "bun";

import { cacheFolder, cacheKey } from "./cache.ts";
import { type Group, PACKAGE_OF, type ProgramName, type Source, SOURCES } from "./sources.ts";

type Environment = Record<string, string | undefined>;

const PROGRAM_NAMES = Object.keys(PACKAGE_OF) as ProgramName[];

/** In the order in which they are built. */
export const programsOf = (group: Group): ProgramName[] =>
  PROGRAM_NAMES.filter((name) => SOURCES[PACKAGE_OF[name][0]].group === group);

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

/** What is built from our own `main.go` alone requires no module. */
const OWN_VERSION = "1";

export function describeProgram(name: ProgramName, env: Environment): Program {
  const [sourceName, subPackage] = PACKAGE_OF[name];
  const source: Source = SOURCES[sourceName];
  const sourceFolder = join(import.meta.dir, "build", sourceName);
  const [mod, sum] = ["go.mod", "go.sum"].map((file) =>
    readFileSync(join(sourceFolder, file), "utf8"),
  ) as [string, string];
  const isOwn = subPackage.startsWith(".");
  const version =
    mod.match(`${source.module} v(\\S+)`)?.[1] ??
    (mod.startsWith(`module ${source.module}\n`) ? OWN_VERSION : undefined);
  if (version === undefined)
    throw new Error(`build/${sourceName}/go.mod does not name ${source.module}`);
  const settings = Object.entries(source.strings?.(version) ?? {});
  const linkerFlags = ["-s -w", ...settings.map(([key, value]) => `-X ${key}=${value}`)].join(" ");
  const flags = [...FLAGS, `-ldflags=${linkerFlags}`];
  const ownFiles = isOwn ? goFilesOf(sourceFolder) : [];
  const key = cacheKey(`${sourceName}-${version}`, [
    mod,
    sum,
    ...ownFiles,
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
    goPackage: isOwn
      ? subPackage
      : [source.module, subPackage].filter((part) => part !== "").join("/"),
  };
}

const goFilesOf = (folder: string): string[] =>
  [...new Glob("**/*.go").scanSync(folder)]
    .sort()
    .map((file) => readFileSync(join(folder, file), "utf8"));

/** The path of a program that was built; undefined when it is not there. */
export function findProgram(name: ProgramName, env: Environment): string | undefined {
  const { path } = describeProgram(name, env);
  return existsSync(path) ? path : undefined;
}
