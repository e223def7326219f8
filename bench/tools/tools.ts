import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { PROJECT_ROOT, shortPath, statePaths } from "../../adapters/state/paths.ts";
import { CommandFailure, describeError } from "../../adapters/terminal/failure.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { lastLines } from "../../local/processes/log-tail.ts";
import { openLog } from "../../local/processes/processes.ts";
import { installPackages } from "../../local/servers/install.ts";
import { GO_PACKAGE, parseVersion, planTools } from "./plan-tools.ts";
import type { FoundTools, ToolName, ToolPlan, Way } from "./plan-tools.ts";

/** How a tool is started, or why it could not be had. */
export type Tool = { command: readonly string[] } | { problem: string };
/** What the scenarios of a run measure with. What nobody asked for is absent. */
export type Tools = Partial<Record<ToolName, Tool>>;

export const PORTKEY_VERSION = "1.15.2";
const BUILT = join(statePaths().dir, "bin");
const PORTKEY = join(BUILT, `portkey-${PORTKEY_VERSION}`);
const PATHS = {
  k6: join(BUILT, "k6"),
  bento: join(BUILT, "bento"),
  portkey: join(PORTKEY, "node_modules/@portkey-ai/gateway/build/start-server.js"),
};
/** The modules of each are pinned by the go.sum in its folder. */
const GO_FOLDERS = { k6: "bench/k6/build", bento: "bench/peers/bento" };
const GO_BUILD = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o"];
/** Scripts of packages are not run. */
const NPM_INSTALL = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"];
const BUILD_LIMIT_MS = 30 * 60_000;
/** The job's files lie below the temporary folder and the checkout. */
const MOUNTS = ["/tmp", PROJECT_ROOT].flatMap((path) => ["-v", `${path}:${path}`]);
const K6_RUN = ["run", "--rm", "--network=host", "-e", "BENCH_JOB", ...MOUNTS, "grafana/k6:2.2.0"];

/** Looks for what these names need. Nothing is changed yet. */
export const checkTools = (needs: ReadonlySet<ToolName>): ToolPlan => planTools(needs, findTools());

/** What is on this machine, on the PATH or built before. */
function findTools(): FoundTools {
  const ours = Object.entries(PATHS).filter(([, path]) => existsSync(path));
  const onPath = ["wrk", "k6"].map((name) => [name, Bun.which(name)] as const);
  const docker = Bun.which("docker") ?? undefined;
  return {
    paths: Object.fromEntries([...ours, ...onPath.filter(([, path]) => path !== null)]),
    hasNode: Bun.which("node") !== null && Bun.which("npm") !== null,
    goVersion: parseVersion(outputOf("go", "version") ?? ""),
    goPackageVersion: parseVersion(outputOf("apt-cache", "policy", GO_PACKAGE) ?? ""),
    docker: outputOf("docker", "info") === undefined ? undefined : docker,
  };
}

/** What a command prints; undefined when it is not there or fails. */
function outputOf(program: string, ...args: readonly string[]): string | undefined {
  if (Bun.which(program) === null) return undefined;
  const env = { ...process.env, LC_ALL: "C" };
  const run = Bun.spawnSync([program, ...args], { stderr: "ignore", env });
  return run.success ? run.stdout.toString() : undefined;
}

/**
 * Installs what the plan takes from packages, and says so first.
 *
 * @throws {CommandFailure} when they cannot be had, with what to do
 */
export async function installTools({ packages }: ToolPlan, progress: Progress): Promise<void> {
  if (packages.length === 0) return;
  const missing = packages.map(({ tool }) => tool);
  const wanted = {
    missing,
    packages: packages.map(({ name }) => name),
    withoutApt: `install ${missing.join(" and ")} (macOS: brew install wrk go)`,
    orElse: "or run only scenarios that do without (--only; --list names them)",
  };
  await installPackages(wanted, progress);
}

/**
 * Builds what the plan builds; once, some minutes. Says what could not be had.
 *
 * @throws {CommandFailure} with the last line of the compiler
 */
export async function buildTools({ ways }: ToolPlan, progress: Progress): Promise<Tools> {
  const tools: Tools = {};
  for (const [name, way] of Object.entries(ways) as [ToolName, Way][]) {
    const tool = await bring(name, way, progress);
    tools[name] = tool;
    if (!("problem" in tool)) continue;
    const instead = name === "k6" ? "The paced generator stands in for it" : "It is left out";
    progress.say(`  Without ${name}: ${tool.problem}. ${instead}.`);
  }
  return tools;
}

async function bring(name: ToolName, way: Way, progress: Progress): Promise<Tool> {
  if (way.how === "none") return { problem: way.problem };
  if (way.how === "docker") return { command: [way.path, ...K6_RUN] };
  if (way.how === "found") return { command: startOf(name, way.path) };
  // From a package, which `installTools` has installed.
  if (name === "wrk") return { command: ["wrk"] };
  try {
    await progress.step(`${name}, built (once, some minutes)`, () => build(name));
  } catch (error) {
    // Portkey is not what a run is about.
    if (name === "portkey") return { problem: describeError(error) };
    throw error;
  }
  return { command: startOf(name, PATHS[name]) };
}

const startOf = (name: ToolName, path: string): string[] =>
  name === "portkey" ? ["node", path] : [path];

async function build(name: keyof typeof PATHS): Promise<{ detail: string }> {
  mkdirSync(PORTKEY, { recursive: true });
  const logPath = join(statePaths().logs, `build-${name}.log`);
  const log = openLog(logPath);
  const npm = [...NPM_INSTALL, "--prefix", PORTKEY, `@portkey-ai/gateway@${PORTKEY_VERSION}`];
  const child = Bun.spawn(name === "portkey" ? npm : [...GO_BUILD, PATHS[name], "."], {
    cwd: name === "portkey" ? PORTKEY : join(PROJECT_ROOT, GO_FOLDERS[name]),
    env: { ...process.env, CGO_ENABLED: "0" },
    stdin: "ignore",
    stdout: log,
    stderr: log,
    timeout: BUILD_LIMIT_MS,
  });
  if ((await child.exited) === 0) return { detail: shortPath(PATHS[name]) };
  const reason = lastLines(logPath, 1).join("").trim();
  throw new CommandFailure(`${name} does not build: ${reason} (log: ${shortPath(logPath)})`);
}

/** For the report. */
export function describeK6({ k6 }: Tools): string {
  if (k6 === undefined) return "not used";
  if ("problem" in k6) return `replaced by the paced generator: ${k6.problem}`;
  const shown = Bun.spawnSync([...k6.command, "version"]).stdout.toString();
  return /v\d+\.\d+\.\d+/.exec(shown)?.[0] ?? "of unknown version";
}
