import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { findAdvisories } from "./advisories.ts";
import { findLongLines, LINE_CHARS_MAX } from "./line-length.ts";
import type { StageResult } from "./stages.ts";

const CHECK_LIMIT_MS = 5 * 60 * 1000;

/** What can be checked without running the code; each finds nothing, or says what is wrong. */
interface Check {
  name: string;
  mend: string;
  run: (signal: AbortSignal) => Promise<{ isPassed: boolean; output: string }>;
}

const CHECKS: readonly Check[] = [
  { name: "format", mend: "try: bunx oxfmt", run: tool("oxfmt", "--check") },
  { name: "lint", mend: "try: bunx oxlint --fix", run: tool("oxlint") },
  { name: "types", mend: "try: bunx tsc", run: tool("tsc") },
  { name: "dead code", mend: "try: bunx knip", run: tool("knip") },
  {
    name: "advisories",
    mend: "raise the version of what is named",
    run: async (signal) => {
      const found = await findAdvisories(process.env, signal);
      if (found.kind === "unknown")
        console.warn(`SKIPPED, known weaknesses of packages: ${found.reason}`);
      return {
        isPassed: found.kind !== "found",
        output: found.kind === "found" ? found.output : "",
      };
    },
  },
  {
    name: "line length",
    mend: `at most ${LINE_CHARS_MAX} characters a line`,
    run: async () => {
      const found = await findLongLines(PROJECT_ROOT);
      return { isPassed: found.length === 0, output: found.map((place) => `${place}\n`).join("") };
    },
  },
];

/** Runs a program of the project's packages; its exit code says whether the check has passed. */
function tool(name: string, ...args: string[]): Check["run"] {
  return async (signal) => {
    const run = Bun.spawn([process.execPath, "x", "--no-install", name, ...args], {
      cwd: PROJECT_ROOT,
      env: { ...process.env, FORCE_COLOR: "0" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: CHECK_LIMIT_MS,
      signal,
    });
    const [output, errors, exitCode] = await Promise.all([
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
      run.exited,
    ]);
    return { isPassed: exitCode === 0, output: `${output}${errors}` };
  };
}

/** Runs all checks at the same time and prints the output of those that fail. */
export async function runChecks(signal: AbortSignal): Promise<StageResult> {
  const started = Date.now();
  const passes = await Promise.all(
    CHECKS.map(async ({ name, mend, run }) => {
      const startedCheck = Date.now();
      const { isPassed, output } = await run(signal);
      const duration = `${((Date.now() - startedCheck) / 1000).toFixed(1)} s`;
      if (isPassed) process.stdout.write(`✓ ${name} (${duration})\n`);
      else process.stdout.write(`${output}✗ ${name} (${duration}); ${mend}\n`);
      return isPassed;
    }),
  );
  const passed = passes.filter(Boolean).length;
  return {
    name: "check",
    passed,
    failed: passes.length - passed,
    skipped: 0,
    durationMs: Date.now() - started,
  };
}
