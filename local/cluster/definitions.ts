import { existsSync } from "node:fs";
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";

import { CommandFailure } from "../../adapters/terminal/failure.ts";
import { cacheFolder, cacheKey } from "./cache.ts";
import { type Operator, type OperatorName, OPERATORS } from "./operators.ts";

const DOWNLOAD_LIMIT_MS = 10 * 60_000;

/** A file with all custom resource definitions of an operator. */
function definitionsPath(name: OperatorName, env: Record<string, string | undefined>): string {
  const { module, version, sum, definitions }: Operator = OPERATORS[name];
  const key = cacheKey(`${name}-${version}`, [module, sum, definitions]);
  return join(cacheFolder(env), key, "definitions.yaml");
}

/** The file of each operator; undefined when one of them is not there. */
export function findDefinitions(
  env: Record<string, string | undefined>,
): readonly string[] | undefined {
  const paths = operatorNames.map((name) => definitionsPath(name, env));
  return paths.every((path) => existsSync(path)) ? paths : undefined;
}

export const operatorNames = Object.keys(OPERATORS) as OperatorName[];

/**
 * Fetches the definitions of an operator into the cache, unless they are there.
 *
 * @throws {CommandFailure} when the module cannot be had, or is another than it was
 */
export async function fetchDefinitions(
  name: OperatorName,
  env: Record<string, string | undefined>,
  signal: AbortSignal,
): Promise<{ detail: string }> {
  const operator: Operator = OPERATORS[name];
  const path = definitionsPath(name, env);
  if (existsSync(path)) return { detail: `${operator.version}, was there` };
  const folder = join(await downloadModule(operator, signal), operator.definitions);
  const files = (await readdir(folder)).filter((file) => file.endsWith(".yaml"));
  const texts = await Promise.all(files.sort().map((file) => Bun.file(join(folder, file)).text()));
  await mkdir(join(path, ".."), { recursive: true });
  await Bun.write(`${path}.new`, texts.join("\n---\n"));
  await rename(`${path}.new`, path);
  return { detail: operator.version };
}

/** The folder of an operator's module. @throws {CommandFailure} when it cannot be had, or is another */
export async function downloadModule(
  { module, version, sum }: Operator,
  signal: AbortSignal,
): Promise<string> {
  const wanted = `${module}@${version}`;
  const run = Bun.spawn(["go", "mod", "download", "-json", wanted], {
    // Not in a module: nobody's go.mod has a say.
    cwd: "/",
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
    timeout: DOWNLOAD_LIMIT_MS,
    signal,
  });
  const [text] = await Promise.all([new Response(run.stdout).text(), run.exited]);
  const {
    Dir: folder,
    Sum: is,
    Error: problem,
  } = JSON.parse(text === "" ? "{}" : text) as {
    Dir?: string;
    Sum?: string;
    Error?: string;
  };
  if (folder === undefined)
    throw new CommandFailure(
      `${wanted} cannot be downloaded: ${problem ?? "go mod download said nothing"}`,
    );
  if (is !== sum) throw new CommandFailure(`${wanted} has the sum ${is}, not ${sum}`);
  return folder;
}
