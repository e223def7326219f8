import { join } from "node:path";

import { CommandFailure, describeError } from "../../adapters/terminal/failure.ts";
import { PROJECT_ROOT, shortPath, statePaths } from "../../adapters/state/paths.ts";
import type { Progress } from "../../adapters/terminal/progress.ts";
import { installPackages } from "../../local/servers/install.ts";
import { buildGo } from "./build-go.ts";
import { findTools } from "./find-tools.ts";
import { installPortkey } from "./install-portkey.ts";
import { planTools, type ToolName, type ToolPlan } from "./plan-tools.ts";

/** What the scenarios of a run measure with. What nobody asked for is absent. */
export interface Tools {
  wrk?: string;
  /** How to start k6, or why the paced generator stands in for it. */
  k6?: K6 | Missing;
  /** The program, or why it is left out. */
  bento?: string | Missing;
  /** The script for Node.js, or why it is left out. */
  portkey?: string | Missing;
}

export interface K6 {
  command: readonly string[];
  version: string;
}

/** Why something could not be had. */
export interface Missing {
  problem: string;
}

const BUILT = join(statePaths().dir, "bin");
const K6_IMAGE = "grafana/k6:2.2.0";

/** Looks for what these names need. Nothing is changed yet. */
export function checkTools(needs: ReadonlySet<ToolName>): ToolPlan {
  return planTools(needs, findTools(BUILT));
}

/**
 * Installs what the plan takes from packages, and says so first.
 *
 * @throws {CommandFailure} when they cannot be had, with what to do
 */
export async function installTools({ packages }: ToolPlan, progress: Progress): Promise<void> {
  if (packages.length === 0) return;
  const wanted = {
    missing: packages.map(({ tool }) => tool),
    packages: packages.map(({ name }) => name),
    withoutApt: `install ${packages.map(({ tool }) => tool).join(" and ")} (macOS: brew install wrk go)`,
    orElse: "or run only scenarios that do without (--only; --list names them)",
  };
  await installPackages(wanted, progress);
}

/** Builds what the plan builds; once, some minutes. Says what could not be had. */
export async function buildTools(plan: ToolPlan, progress: Progress): Promise<Tools> {
  const tools: Tools = {};
  if (plan.wrk) tools.wrk = requireWrk();
  if (plan.k6 !== undefined) tools.k6 = await bringK6(plan.k6, progress);
  if (plan.bento !== undefined) tools.bento = await bringBento(plan.bento, progress);
  if (plan.portkey !== undefined) tools.portkey = await bringPortkey(plan.portkey, progress);
  return tools;
}

function requireWrk(): string {
  const path = Bun.which("wrk");
  if (path !== null) return path;
  throw new CommandFailure(
    "wrk is installed but not on the PATH: add its folder, then run this again",
  );
}

async function bringK6(
  way: NonNullable<ToolPlan["k6"]>,
  progress: Progress,
): Promise<K6 | Missing> {
  switch (way.how) {
    case "found":
      return describeK6([way.path]);
    case "build":
      return describeK6([await build("k6", "bench/k6/build", progress)]);
    case "docker": {
      // The job's files lie below the temporary folder and the checkout.
      const mounts = ["/tmp", PROJECT_ROOT].flatMap((path) => ["-v", `${path}:${path}`]);
      const run = ["run", "--rm", "--network=host", "-e", "BENCH_JOB", ...mounts, K6_IMAGE];
      return describeK6([way.path, ...run]);
    }
    case "none":
      progress.say(`  Without k6: ${way.problem}. The paced generator stands in for it.`);
      return { problem: way.problem };
  }
}

async function bringBento(
  way: NonNullable<ToolPlan["bento"]>,
  progress: Progress,
): Promise<string | Missing> {
  if (way.how === "found") return way.path;
  if (way.how === "build") return build("bento", "bench/peers/bento", progress);
  progress.say(`  Without Bento: ${way.problem}. It is left out.`);
  return { problem: way.problem };
}

async function bringPortkey(
  way: NonNullable<ToolPlan["portkey"]>,
  progress: Progress,
): Promise<string | Missing> {
  if (way.how === "found") return way.path;
  try {
    if (way.how === "build") return await installPortkey(BUILT, progress);
  } catch (error) {
    // It is not what the run is about.
    return leaveOutPortkey(describeError(error), progress);
  }
  return leaveOutPortkey(way.problem, progress);
}

function leaveOutPortkey(problem: string, progress: Progress): Missing {
  progress.say(`  Without Portkey's gateway: ${problem}. It is left out.`);
  return { problem };
}

async function build(name: string, folder: string, progress: Progress): Promise<string> {
  const target = join(BUILT, name);
  await progress.step(`${name}, built from source (once, some minutes)`, async () => {
    await buildGo(join(PROJECT_ROOT, folder), target);
    return { detail: shortPath(target) };
  });
  return target;
}

function describeK6(command: readonly string[]): K6 {
  const shown = Bun.spawnSync([...command, "version"]).stdout.toString();
  return { command, version: /v\d+\.\d+\.\d+/.exec(shown)?.[0] ?? "of unknown version" };
}
