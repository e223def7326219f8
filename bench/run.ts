import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { PROJECT_ROOT } from "../adapters/state/paths.ts";
import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import type { Progress } from "../adapters/terminal/progress.ts";
import { nothingMeasured, type Outcome } from "./figures.ts";
import { failuresOf, judge, type Row } from "./judge.ts";
import { describeMachine } from "./machine/describe-machine.ts";
import { meanCores } from "./machine/sampler.ts";
import { startBenchServers } from "./machine/servers.ts";
import { type BenchContext, openBench, type Scenario } from "./measure/bench.ts";
import { renderPage } from "./report/page.ts";
import { SCENARIOS } from "./scenarios/all.ts";
import { buildTools, describeK6, installTools } from "./tools/tools.ts";

export interface BenchOptions {
  quick: boolean;
  soak: boolean;
  growth: boolean;
  /** The soak after everything else: a report with every row of the design's numbers. */
  all: boolean;
  /** Names of scenarios; empty: all that belong to the kind of run. */
  only: readonly string[];
  gateways: number;
  workers: number;
  /**
   * Take CPU profiles of all processes. They slow them down: the figures of such a run are not comparable.
   */
  profile: boolean;
}

/** Everything that a run found out; `raw.json` of a result is this. */
export interface BenchReport {
  startedAt: string;
  seconds: number;
  options: BenchOptions;
  /** What it ran on, in words. */
  machine: Record<string, string>;
  rows: Row[];
  failures: string[];
  outcomes: Outcome[];
}

export function chooseScenarios({ quick, soak, growth, all, only }: BenchOptions): Scenario[] {
  if (only.length > 0) return SCENARIOS.filter(({ name }) => only.includes(name));
  const isUsual = all || !(soak || growth);
  const isChosen = { quick: isUsual, full: isUsual && !quick, soak: soak || all, growth };
  return SCENARIOS.filter(({ part }) => isChosen[part]);
}

/**
 * Measures everything that was asked for and writes the report, `report.html` and `raw.json`, into a folder,
 * which it returns too. Failures are in the report.
 *
 * @throws only when nothing could be measured
 */
export async function runBench(
  options: BenchOptions,
  progress: Progress,
  env: Record<string, string | undefined>,
  interrupt: AbortSignal,
): Promise<{ report: BenchReport; folder: string }> {
  const { quick: isQuick, gateways, workers, profile } = options;
  const scenarios = chooseScenarios(options);
  const startedAt = new Date();
  const resultFolder = resultFolderOf(startedAt);
  const machine = describeMachine();
  const needs = new Set(scenarios.flatMap((scenario) => scenario.needs ?? []));
  await installTools(needs, progress);
  // Before programs are built, which takes minutes: servers may have to be installed too, or cannot be had.
  const servers = await startBenchServers(env, progress);
  const folder = mkdtempSync(join(tmpdir(), "tollgate-bench-run-"));
  try {
    const tools = await Promise.race([buildTools(needs, progress), whenAborted(interrupt)]);
    const shared = { servers, tools, progress, isQuick, gateways, workers, folder };
    const outcomes: Outcome[] = [];
    for (const scenario of scenarios) {
      progress.say(`\n── ${scenario.name}: ${scenario.about}`);
      const profiles = join(resultFolder, "profiles", scenario.name);
      const context = { ...shared, profileFolder: profile ? profiles : undefined };
      const run = runScenario(scenario, context);
      outcomes.push(await Promise.race([run, whenAborted(interrupt)]));
    }
    const rows = judge(outcomes);
    const report: BenchReport = {
      startedAt: startedAt.toISOString(),
      seconds: (Date.now() - startedAt.getTime()) / 1_000,
      options,
      machine: { ...machine, servers: servers.source, k6: describeK6(tools) },
      rows,
      failures: failuresOf(outcomes, rows),
      outcomes,
    };
    mkdirSync(resultFolder, { recursive: true });
    await Bun.write(join(resultFolder, "raw.json"), `${JSON.stringify(report, null, 1)}\n`);
    await Bun.write(join(resultFolder, "report.html"), await renderPage(report));
    return { report, folder: resultFolder };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await servers.remove();
  }
}

/** Rejects once interrupted; processes of a stack end with this one. */
function whenAborted(interrupt: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const give = (): void =>
      reject(new CommandFailure("interrupted", { exitCode: EXIT.interrupted }));
    if (interrupt.aborted) give();
    else interrupt.addEventListener("abort", give, { once: true });
  });
}

/** Above this the machine was not ours alone; the kernel's own work stays below. */
const OTHERS_CORES_MAX = 0.15;

/** What a scenario measured before it broke is kept, and the others are still worth measuring. */
async function runScenario(scenario: Scenario, context: BenchContext): Promise<Outcome> {
  const { name, about } = scenario;
  const startedAt = performance.now();
  const measured = nothingMeasured();
  try {
    await scenario.run(openBench(context, measured));
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    context.progress.say(`✗ ${name}: ${failure}`);
    measured.failures.push(failure.split("\n", 1).join(""));
  }
  const others = meanCores(measured.samples, "other");
  if (others > OTHERS_CORES_MAX) {
    const took = `took ${others.toFixed(2)} cores meanwhile`;
    measured.notes.push(`noisy: other programs of this machine ${took}`);
  }
  return { scenario: name, about, ...measured, seconds: (performance.now() - startedAt) / 1_000 };
}

function resultFolderOf(startedAt: Date): string {
  const name = startedAt.toISOString().replaceAll(":", "").slice(0, "2026-01-01T000000".length);
  return join(PROJECT_ROOT, "bench/results", name);
}
