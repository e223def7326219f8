import { dirname, join, normalize } from "node:path";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";

/** Everything that the build of an image may copy: what .dockerignore leaves of the checkout. */
export function readContextFilter(dockerignore: string): (path: string) => boolean {
  const rules = dockerignore
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => ({
      isKept: line.startsWith("!"),
      pattern: new Bun.Glob(line.replace(/^!/, "")),
    }));
  return (path) => {
    // A rule about a folder is about all that is in it; the last rule that says something decides.
    const parts = path.split("/");
    const paths = parts.map((_, i) => parts.slice(0, i + 1).join("/"));
    const rule = rules.findLast(({ pattern }) => paths.some((one) => pattern.match(one)));
    return rule?.isKept ?? true;
  };
}

/**
 * Paths that the last stage of a Dockerfile copies from the checkout, to the same place below its working
 * folder.
 */
function readCopied(dockerfile: string): string[] {
  const lastStage = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "));
  return [...lastStage.matchAll(/^COPY (?!--)(?<sources>.+) (?<target>\S+)$/gm)].flatMap(
    ({ groups }) => {
      const { sources = "", target = "" } = groups ?? {};
      const isSamePlace = /^\.\/?$/.test(target) || target === sources;
      if (!isSamePlace) throw new Error(`COPY ${sources} ${target} moves what it copies`);
      return sources.split(" ");
    },
  );
}

/** Files of the checkout that the image has, relative to its working folder and to the checkout alike. */
export async function listImageFiles(): Promise<Set<string>> {
  const read = (name: string): Promise<string> => Bun.file(join(PROJECT_ROOT, name)).text();
  const isInContext = readContextFilter(await read(".dockerignore"));
  const scan = (pattern: string): string[] => [
    ...new Bun.Glob(pattern).scanSync({ cwd: PROJECT_ROOT, dot: true }),
  ];
  const files = readCopied(await read("Dockerfile")).flatMap((source) => [
    ...scan(source),
    ...scan(`${source}/**/*`),
  ]);
  return new Set(files.filter(isInContext));
}

export interface Import {
  from: string;
  /** A path relative to the checkout, or the name of a package or of a module of the runtime. */
  to: string;
  /** `type`: gone when the program runs; `late`: loaded when that line is reached. */
  kind: "type" | "start" | "late";
}

const transpiler = new Bun.Transpiler({ loader: "ts" });
const FROM = /^(?:import|export)\b[^;"]*\bfrom "([^"]+)"/gm;

/** What a file imports, types included. */
async function importsOf(from: string): Promise<Import[]> {
  if (!from.endsWith(".ts")) return [];
  const source = await Bun.file(join(PROJECT_ROOT, from)).text();
  const resolve = (to: string): string =>
    to.startsWith(".") ? normalize(join(dirname(from), to)) : to;
  const real = transpiler.scanImports(source).map(({ path, kind }): Import => {
    return { from, to: resolve(path), kind: kind === "dynamic-import" ? "late" : "start" };
  });
  const types = [...source.matchAll(FROM)]
    .map(([, path = ""]) => resolve(path))
    .filter((to) => !real.some((one) => one.to === to))
    .map((to): Import => ({ from, to, kind: "type" }));
  return [...real, ...types];
}

/** All imports that can be reached from entry points by way of `files`, types included. */
export async function importsFrom(
  entries: readonly string[],
  files: ReadonlySet<string>,
): Promise<Import[]> {
  const all: Import[] = [];
  const reached = new Set(entries);
  for (const file of reached) {
    const imports = await importsOf(file);
    all.push(...imports);
    for (const { to } of imports) if (files.has(to)) reached.add(to);
  }
  return all;
}
