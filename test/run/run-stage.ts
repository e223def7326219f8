import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

import { PROJECT_ROOT } from "../../adapters/state/paths.ts";
import { SERVER_VARIABLES } from "../../adapters/state/server-urls.ts";
import { parseJunitTotals } from "./junit.ts";
import type { StageResult, StageRun, TestStage } from "./stages.ts";

const STAGE_LIMIT_MS = 30 * 60 * 1000;

/** The test files of a stage that are there, in a fixed order. */
export function findTestFiles(stage: TestStage): string[] {
  const found = new Set<string>();
  for (const pattern of stage.files)
    for (const file of new Bun.Glob(pattern).scanSync({ cwd: PROJECT_ROOT })) found.add(file);
  return [...found].sort();
}

/**
 * Runs test files with Bun, and counts from its report. Its output goes to ours; with a mark, every line
 * begins with it.
 */
export async function runStage(
  { stage, files, namePattern }: StageRun,
  serverEnv: Record<string, string>,
  mark: string,
  signal: AbortSignal,
): Promise<StageResult> {
  const started = Date.now();
  process.stdout.write(`\n── ${stage.name}: ${stage.about}\n`);
  const folder = mkdtempSync(join(tmpdir(), "tollgate-test-"));
  const report = join(folder, "report.xml");
  const hidden = Object.fromEntries(
    Object.values(SERVER_VARIABLES).map((name) => [name, undefined]),
  );
  try {
    const run = Bun.spawn(
      [
        process.execPath,
        "test",
        // Each file has a global of its own: what one leaks, the next does not see.
        "--isolate",
        `--timeout=${stage.testLimitMs}`,
        "--reporter=junit",
        `--reporter-outfile=${report}`,
        ...(namePattern === undefined ? [] : ["--test-name-pattern", namePattern]),
        ...files.map((file) => `./${file}`),
      ],
      {
        cwd: PROJECT_ROOT,
        env: { ...process.env, NODE_ENV: "test", ...hidden, ...serverEnv },
        stdin: "ignore",
        stdout: mark === "" ? "inherit" : "pipe",
        stderr: mark === "" ? "inherit" : "pipe",
        timeout: STAGE_LIMIT_MS,
        signal,
      },
    );
    const [exitCode] = await Promise.all([
      run.exited,
      copyMarked(run.stdout, process.stdout, mark),
      copyMarked(run.stderr, process.stderr, mark),
    ]);
    const reported = Bun.file(report);
    const totals = (await reported.exists()) ? parseJunitTotals(await reported.text()) : undefined;
    const { passed, failed, skipped } = totals ?? { passed: 0, failed: 0, skipped: 0 };
    // A file that cannot be loaded, or Bun itself, may fail without a failed test. No test at all is no
    // failure here, because a pattern may match in one stage only.
    const unreported =
      exitCode !== 0 && failed === 0 && !(namePattern !== undefined && passed === 0);
    return {
      name: stage.name,
      passed,
      failed: unreported ? 1 : failed,
      skipped,
      durationMs: Date.now() - started,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Copies line by line, so that lines of two lanes do not mix. */
async function copyMarked(
  from: ReadableStream<Uint8Array> | undefined,
  to: { write: (text: string) => unknown },
  mark: string,
): Promise<void> {
  if (from === undefined) return;
  for await (const line of createInterface({ input: Readable.fromWeb(from) }))
    to.write(`${mark}${line}\n`);
}
