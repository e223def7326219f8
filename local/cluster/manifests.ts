import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { dirname, join } from "node:path";

import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { adapt, type Resource } from "./adapt-manifest.ts";
import { cacheFolder, cacheKey } from "./cache.ts";
import { describeProgram, findProgram } from "./programs.ts";
import { PACKAGE_OF, type ProgramName, SOURCES } from "./sources.ts";

type Environment = Record<string, string | undefined>;

const STEP_LIMIT_MS = 5 * 60_000;

interface Manifest {
  /** Its module has the manifest. */
  program: ProgramName;
  /** A file of the module, or a folder that kustomize renders. */
  path: string;
  isFile?: true;
  /** What it is to live in, where the manifest does not say. */
  namespace?: string;
}

/** In the order in which they are to be applied. */
const MANIFESTS = {
  "metrics-server": { program: "metrics-server", path: "manifests/base" },
  "prometheus-operator": {
    program: "prometheus-operator",
    path: "bundle.yaml",
    isFile: true,
    namespace: "monitoring",
  },
  keda: { program: "keda-operator", path: "config/default" },
} as const satisfies Record<string, Manifest>;
type ManifestName = keyof typeof MANIFESTS;

const NAMES = Object.keys(MANIFESTS) as ManifestName[];

function manifestPath(name: ManifestName, env: Environment): string {
  const { program }: Manifest = MANIFESTS[name];
  const { version, path } = describeProgram(program, env);
  const code = ["manifests.ts", "adapt-manifest.ts", "images/images.ts"].map((file) =>
    readFileSync(join(import.meta.dir, file), "utf8"),
  );
  return join(
    cacheFolder(env),
    cacheKey(`manifest-${name}-${version}`, [path, ...code]),
    "all.yaml",
  );
}

/**
 * How metrics-server and the operators that the drill needs are installed, as their modules say, with images
 * that are never pulled. To be applied in this order, and by the server: some definitions are too long for
 * the annotation of a client.
 *
 * @throws {CommandFailure} when one is not there, with the command that makes it
 */
export function operatorManifests(env: Environment): readonly string[] {
  const paths = NAMES.map((name) => manifestPath(name, env));
  if (paths.every((path) => existsSync(path))) return paths;
  throw new CommandFailure("manifests of operators are missing: ./tollgate drill cluster --build");
}

/** Renders the manifests into the cache, unless they are there. Needs Go and the kubectl of the cache. */
export async function renderManifests(
  env: Environment,
  signal: AbortSignal,
): Promise<{ detail: string }> {
  for (const name of NAMES) {
    const path = manifestPath(name, env);
    if (existsSync(path)) continue;
    const { namespace }: Manifest = MANIFESTS[name];
    const resources = adapt(parseAll(await render(name, env, signal)), namespace);
    await mkdir(dirname(path), { recursive: true });
    const unfinished = `${path}.${process.pid}`;
    await Bun.write(unfinished, resources.map((one) => JSON.stringify(one)).join("\n---\n"));
    await rename(unfinished, path);
  }
  return { detail: NAMES.join(", ") };
}

const parseAll = (text: string): Resource[] =>
  [Bun.YAML.parse(text)].flat().filter((one) => one !== null) as Resource[];

async function render(name: ManifestName, env: Environment, signal: AbortSignal): Promise<string> {
  const { program, path, isFile }: Manifest = MANIFESTS[name];
  const source = join(await moduleFolder(program, env, signal), path);
  if (isFile) return Bun.file(source).text();
  const kubectl = findProgram("kubectl", env);
  if (kubectl === undefined)
    throw new CommandFailure("kubectl is missing: ./tollgate drill cluster --build");
  return run([kubectl, "kustomize", source], "/", env, signal);
}

/** The folder of the module that a program is built from, at the version and sum that our go.mod pins. */
async function moduleFolder(
  program: ProgramName,
  env: Environment,
  signal: AbortSignal,
): Promise<string> {
  const { sourceFolder } = describeProgram(program, env);
  const { module } = SOURCES[PACKAGE_OF[program][0]];
  const said = await run(["go", "mod", "download", "-json", module], sourceFolder, env, signal);
  return (JSON.parse(said) as { Dir: string }).Dir;
}

async function run(
  command: readonly string[],
  folder: string,
  env: Environment,
  signal: AbortSignal,
): Promise<string> {
  const child = Bun.spawn([...command], {
    cwd: folder,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: STEP_LIMIT_MS,
    signal,
  });
  const texts = [child.stdout, child.stderr].map((stream) => new Response(stream).text());
  const [out = "", err = ""] = await Promise.all(texts);
  if ((await child.exited) === 0) return out;
  throw new CommandFailure(
    `${command.join(" ")} failed: ${(err || out).trim().split("\n").at(-1)}`,
  );
}
