import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import type { StageResult } from "./stages.ts";

const CHECK_LIMIT_MS = 5 * 60 * 1000;

/** What can be checked without running the code. */
const CHECKS = [
  { name: "format", command: ["oxfmt", "--check"], mend: "bunx oxfmt" },
  { name: "lint", command: ["oxlint"], mend: "bunx oxlint --fix" },
  { name: "types", command: ["tsc"], mend: "bunx tsc" },
  { name: "dead code", command: ["knip"], mend: "bunx knip" },
] as const;

/** Runs all checks at the same time and prints the output of those that fail. */
export async function runChecks(signal: AbortSignal): Promise<StageResult> {
  const started = Date.now();
  const passes = await Promise.all(
    CHECKS.map(async ({ name, command, mend }) => {
      const startedCheck = Date.now();
      const [tool, ...args] = command;
      const run = Bun.spawn([process.execPath, "x", "--no-install", tool, ...args], {
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
      const duration = `${((Date.now() - startedCheck) / 1000).toFixed(1)} s`;
      if (exitCode === 0) process.stdout.write(`✓ ${name} (${duration})\n`);
      else process.stdout.write(`${output}${errors}✗ ${name} (${duration}); try: ${mend}\n`);
      return exitCode === 0;
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
