import { existsSync } from "node:fs";
import { appendFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

import { shortPath, statePaths } from "../../adapters/state/paths.ts";
import { CommandFailure, EXIT } from "../../adapters/terminal/failure.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { lastTellingLine } from "../processes/log-tail.ts";
import { fetchDefinitions, findDefinitions, operatorNames } from "./definitions.ts";
import { buildImages } from "./images/build.ts";
import { renderManifests } from "./manifests.ts";
import { describeProgram, type Program, programsOf } from "./programs.ts";
import type { Group } from "./sources.ts";

/** All of Kubernetes took 15 minutes on two busy cores. */
const BUILD_LIMIT_MS = 45 * 60_000;
const TELL_EVERY_MS = 20_000;
const GO_HINT =
  "install Go 1.24 or newer (Debian 13: apt-get install golang-go; else https://go.dev/dl), then run this again";

type Environment = Record<string, string | undefined>;

/**
 * Builds what a cluster on this machine is made of, unless it is in the cache: programs, definitions of the
 * operators, images and the operators' manifests. May be interrupted: Go keeps what it has compiled, and the
 * next call goes on from there.
 *
 * @throws {CommandFailure} when something cannot be had, with what to do
 */
export async function buildCluster(
  env: Environment,
  progress: Progress,
  signal: AbortSignal,
  groups: readonly Group[] = ["api", "dev"],
): Promise<void> {
  const programs = groups.flatMap(programsOf).map((name) => describeProgram(name, env));
  const isComplete =
    programs.every(({ path }) => existsSync(path)) && findDefinitions(env) !== undefined;
  if (!isComplete && Bun.which("go", { PATH: env["PATH"] ?? "" }) === null)
    throw new CommandFailure(`Go is missing, and a cluster is built with it: ${GO_HINT}`);
  try {
    for (const name of operatorNames)
      await progress.step(`resource definitions of ${name}`, () =>
        fetchDefinitions(name, env, signal),
      );
    for (const group of groups) await buildGroup(group, env, progress, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new CommandFailure("interrupted: what was compiled is kept, the same command goes on", {
      exitCode: EXIT.interrupted,
    });
  }
}

async function buildGroup(
  group: Group,
  env: Environment,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  for (const name of programsOf(group)) {
    const program = describeProgram(name, env);
    await progress.step(name, () => buildProgram(program, env, progress, signal));
  }
  if (group === "api") return;
  if (group === "dev")
    await progress.step("manifests of operators", () => renderManifests(env, signal));
  await buildImages({ env, progress, signal, groups: [group] });
}

/**
 * Builds a program, unless it is there. It appears in its place when it is complete.
 *
 * @throws {CommandFailure} when it does not build within the limit, with the line of the log that tells most
 */
export async function buildProgram(
  { name, version, path, sourceFolder, flags, goPackage }: Program,
  env: Environment,
  progress: Pick<Progress, "say">,
  signal: AbortSignal,
): Promise<{ detail: string }> {
  if (existsSync(path)) return { detail: `${version}, was there` };
  const unfinished = join(dirname(path), `.${name}.${process.pid}`);
  const logPath = join(statePaths().logs, `build-${name}.log`);
  for (const folder of [dirname(path), dirname(logPath)]) await mkdir(folder, { recursive: true });
  await writeFile(logPath, "");
  const startedMs = Date.now();
  const go = Bun.spawn(["go", "build", "-v", ...flags, "-o", unfinished, goPackage], {
    cwd: sourceFolder,
    env: { ...env, CGO_ENABLED: "0" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    timeout: BUILD_LIMIT_MS,
    signal,
  });
  let compiled = 0;
  let last = "";
  const telling = setInterval(() => {
    if (last !== "") progress.say(`  ${name}: ${compiled} packages compiled; ${last}`);
  }, TELL_EVERY_MS);
  try {
    for await (const line of createInterface({ input: Readable.fromWeb(go.stderr) })) {
      await appendFile(logPath, `${line}\n`);
      last = line;
      // Go names each package that it compiles, in a line of one word.
      if (/^\S+$/.test(line)) compiled += 1;
    }
    if ((await go.exited) !== 0) throw buildFailure(name, logPath, Date.now() - startedMs);
    await rename(unfinished, path);
  } finally {
    clearInterval(telling);
    await rm(unfinished, { force: true });
  }
  return { detail: version };
}

function buildFailure(name: string, logPath: string, tookMs: number): CommandFailure {
  const log = `log: ${shortPath(logPath)}`;
  if (tookMs >= BUILD_LIMIT_MS)
    return new CommandFailure(
      `${name} was not built within ${BUILD_LIMIT_MS / 60_000} minutes (${log}): what was compiled ` +
        "is kept, run this again",
    );
  const line = lastTellingLine(logPath);
  const hint = /requires go|invalid go version|unknown directive/.test(line) ? `; ${GO_HINT}` : "";
  return new CommandFailure(`${name} does not build: ${line} (${log})${hint}`);
}
