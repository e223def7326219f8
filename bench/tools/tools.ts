import { existsSync } from "node:fs";
import { join } from "node:path";

import { PROJECT_ROOT, shortPath, statePaths } from "../../adapters/state/paths.ts";
import { CommandFailure } from "../../adapters/terminal/failure.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { lastLines } from "../../local/processes/log-tail.ts";
import { openLog } from "../../local/processes/processes.ts";
import { installPackages } from "../../local/servers/install.ts";

/** What a scenario may need besides the servers: wrk comes as a package, the others are built with Go. */
export type ToolName = "wrk" | "k6" | "bento";
/** How a tool is started, or why it could not be had. */
export type Tool = { command: string } | { problem: string };
/** What the scenarios of a run measure with. What nobody asked for is absent. */
export type Tools = Partial<Record<ToolName, Tool>>;

type Version = readonly [major: number, minor: number];

/** What is on this machine already. */
export interface FoundTools {
  /** The path of each tool, as far as it is here. */
  paths: Partial<Record<ToolName, string>>;
  goVersion?: Version | undefined;
  /** Of the package that apt would install. */
  goPackageVersion?: Version | undefined;
}

/** What is to be done before anything is measured. */
export interface ToolPlan {
  tools: Tools;
  /** Packages to install, by the names that people know. */
  packages: Partial<Record<"wrk" | "Go", string>>;
  builds: (keyof typeof SOURCES)[];
}

const GO_PACKAGE = "golang-go";
/** From here on `go` fetches the version that a go.mod names (https://go.dev/doc/toolchain). */
const GO_MIN: Version = [1, 21];
/** The modules of each are pinned by the go.sum in its folder. */
const SOURCES = { k6: "bench/k6/build", bento: "bench/peers/bento" };
const BUILD_LIMIT_MS = 30 * 60_000;
const builtPath = (name: keyof typeof SOURCES): string => join(statePaths().dir, "bin", name);

/** What is on the machine is taken; else wrk comes from a package, the others are built with Go. */
export function planTools(needs: ReadonlySet<ToolName>, found: FoundTools): ToolPlan {
  const { goVersion, goPackageVersion } = found;
  const plan: ToolPlan = { tools: {}, packages: {}, builds: [] };
  for (const name of needs) {
    const path = found.paths[name];
    if (path !== undefined) plan.tools[name] = { command: path };
    else if (name === "wrk") {
      plan.tools.wrk = { command: "wrk" };
      plan.packages.wrk = "wrk";
    } else if (isEnough(goVersion) || isEnough(goPackageVersion)) {
      plan.tools[name] = { command: builtPath(name) };
      plan.builds.push(name);
      if (!isEnough(goVersion)) plan.packages.Go = GO_PACKAGE;
    } else plan.tools[name] = { problem: whyNoGo(found) };
  }
  return plan;
}

const isEnough = ([major, minor]: Version = [0, 0]): boolean =>
  major > GO_MIN[0] || (major === GO_MIN[0] && minor >= GO_MIN[1]);

function whyNoGo({ goVersion, goPackageVersion }: FoundTools): string {
  const say = (version: Version | undefined): string => version?.join(".") ?? "unknown";
  const seen = `here it is ${say(goVersion)}, its package ${say(goPackageVersion)}`;
  return `it is built with Go ${say(GO_MIN)} or later; ${seen} (https://go.dev/dl)`;
}

/** The first version in a text, such as `go1.26.8` or the candidate `2:1.24~2` of apt: [1, 26], [1, 24]. */
export function parseVersion(text: string): Version | undefined {
  const match = /(?:\bgo|Candidate: (?:\d+:)?)(\d+)\.(\d+)/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

/** Looks for what these names need, on the PATH and among what was built before. Nothing is changed yet. */
export function checkTools(needs: ReadonlySet<ToolName>): ToolPlan {
  const find = (name: keyof typeof SOURCES): string[] =>
    [builtPath(name)].filter((path) => existsSync(path));
  const candidates = {
    wrk: [Bun.which("wrk")],
    k6: [Bun.which("k6"), ...find("k6")],
    bento: find("bento"),
  };
  const paths = Object.entries(candidates).flatMap(([name, places]) => {
    const path = places.find((place) => place !== null);
    return path === undefined ? [] : [[name, path]];
  });
  return planTools(needs, {
    paths: Object.fromEntries(paths) as FoundTools["paths"],
    goVersion: parseVersion(outputOf("go", "version")),
    goPackageVersion: parseVersion(outputOf("apt-cache", "policy", GO_PACKAGE)),
  });
}

/** What a command prints; nothing when it is not there or fails. */
function outputOf(program: string, ...args: readonly string[]): string {
  if (Bun.which(program) === null) return "";
  const env = { ...process.env, LC_ALL: "C" };
  return Bun.spawnSync([program, ...args], { stderr: "ignore", env }).stdout.toString();
}

/**
 * Installs what the plan takes from packages, and says so first.
 *
 * @throws {CommandFailure} when they cannot be had, with what to do
 */
export async function installTools({ packages }: ToolPlan, progress: Progress): Promise<void> {
  const missing = Object.keys(packages);
  if (missing.length === 0) return;
  const wanted = {
    missing,
    packages: Object.values(packages),
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
export async function buildTools({ tools, builds }: ToolPlan, progress: Progress): Promise<void> {
  for (const name of builds)
    await progress.step(`${name}, built (once, some minutes)`, () => build(name));
  for (const [name, tool] of Object.entries(tools)) {
    if (!("problem" in tool)) continue;
    const instead = name === "k6" ? "The paced generator stands in for it" : "It is left out";
    progress.say(`  Without ${name}: ${tool.problem}. ${instead}.`);
  }
}

async function build(name: keyof typeof SOURCES): Promise<{ detail: string }> {
  const logPath = join(statePaths().logs, `build-${name}.log`);
  const log = openLog(logPath);
  const path = builtPath(name);
  const child = Bun.spawn(["go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "."], {
    cwd: join(PROJECT_ROOT, SOURCES[name]),
    env: { ...process.env, CGO_ENABLED: "0" },
    stdin: "ignore",
    stdout: log,
    stderr: log,
    timeout: BUILD_LIMIT_MS,
  });
  if ((await child.exited) === 0) return { detail: shortPath(path) };
  const reason = lastLines(logPath, 1).join("").trim();
  throw new CommandFailure(`${name} does not build: ${reason} (log: ${shortPath(logPath)})`);
}

/** For the report. */
export function describeK6({ k6 }: Tools): string {
  if (k6 === undefined) return "not used";
  if ("problem" in k6) return `replaced by the paced generator: ${k6.problem}`;
  return /v\d+\.\d+\.\d+/.exec(outputOf(k6.command, "version"))?.[0] ?? "of unknown version";
}
