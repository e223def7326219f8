import { existsSync } from "node:fs";
import { join } from "node:path";

import { PROJECT_ROOT, shortPath, statePaths } from "../../adapters/state/paths.ts";
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

/** The modules of each are pinned by the go.sum in its folder. */
const SOURCES = { k6: "bench/k6/build", bento: "bench/peers/bento" };
const BUILD_LIMIT_MS = 30 * 60_000;

const builtPath = (name: ToolName): string => join(statePaths().dir, "bin", name);
/** Where a tool is: on the PATH (other programs are called bento as well), or where it was built before. */
function findTool(name: ToolName): string | undefined {
  const onPath = name === "bento" ? null : Bun.which(name);
  return onPath ?? (existsSync(builtPath(name)) ? builtPath(name) : undefined);
}

/**
 * Installs what these names need from packages (wrk, and Go to build the others), and says so first.
 *
 * @throws {CommandFailure} when they cannot be had, with what to do
 */
export async function installTools(
  needs: ReadonlySet<ToolName>,
  progress: Progress,
): Promise<void> {
  const missing = [...needs].filter((name) => findTool(name) === undefined);
  const wanted = new Map<string, string>();
  if (missing.includes("wrk")) wanted.set("wrk", "wrk");
  // Without apt the bench does without what Go builds.
  const needsGo = missing.some((name) => name !== "wrk") && Bun.which("go") === null;
  if (needsGo && Bun.which("apt-get") !== null) wanted.set("Go", "golang-go");
  if (wanted.size === 0) return;
  const names = [...wanted.keys()];
  const texts = {
    withoutApt: `install ${names.join(" and ")} (macOS: brew install wrk go)`,
    orElse: "or run only scenarios that do without (--only; --list names them)",
  };
  await installPackages({ missing: names, packages: [...wanted.values()], ...texts }, progress);
}

/** Builds what is not here; once, some minutes. Says what could not be had. */
export async function buildTools(needs: ReadonlySet<ToolName>, progress: Progress): Promise<Tools> {
  const tools: Tools = {};
  for (const name of needs) {
    const path = findTool(name);
    // After `installTools` wrk is on the PATH.
    const isHere = path !== undefined || name === "wrk";
    const tool = isHere ? { command: path ?? name } : await build(name, progress);
    tools[name] = tool;
    if (!("problem" in tool)) continue;
    const instead = name === "k6" ? "The paced generator stands in for it" : "It is left out";
    progress.say(`  Without ${name}: ${tool.problem}. ${instead}.`);
  }
  return tools;
}

async function build(name: keyof typeof SOURCES, progress: Progress): Promise<Tool> {
  if (Bun.which("go") === null) return { problem: "it is built with Go (https://go.dev/dl)" };
  const logPath = join(statePaths().logs, `build-${name}.log`);
  const path = builtPath(name);
  return progress.step(`${name}, built (once, some minutes)`, async () => {
    const log = openLog(logPath);
    const child = Bun.spawn(["go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "."], {
      cwd: join(PROJECT_ROOT, SOURCES[name]),
      env: { ...process.env, CGO_ENABLED: "0" },
      stdin: "ignore",
      stdout: log,
      stderr: log,
      timeout: BUILD_LIMIT_MS,
    });
    if ((await child.exited) === 0) return { command: path, detail: shortPath(path) };
    const problem = `it does not build: ${lastLines(logPath, 1).join("").trim()}`;
    return { problem, detail: `${problem} (log: ${shortPath(logPath)})` };
  });
}

/** For the report. */
export function describeK6({ k6 }: Tools): string {
  if (k6 === undefined) return "not used";
  if ("problem" in k6) return `replaced by the paced generator: ${k6.problem}`;
  const shown = Bun.spawnSync([k6.command, "version"]).stdout.toString();
  return /v\d+\.\d+\.\d+/.exec(shown)?.[0] ?? "of unknown version";
}
