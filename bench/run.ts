import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import { PROJECT_ROOT } from "../adapters/state/paths.ts";
import type { Progress } from "../adapters/terminal/progress.ts";
import type { Outcome } from "./figures.ts";
import { failuresOf, judge, peerRatios, type Ratio, type Row } from "./judge.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { renderPage } from "./report/page.ts";
import { SCENARIOS } from "./scenarios/all.ts";
import type { BenchContext, Scenario } from "./scenarios/scenario.ts";
import { meanCores } from "./stack/sampler.ts";
import { startBenchServers } from "./stack/servers.ts";
import { buildTools, checkTools, installTools, type Tools } from "./tools/tools.ts";

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
  /** Take CPU profiles of all processes. They slow them down: the figures of such a run are not comparable. */
  profile: boolean;
}

/** Everything that a run found out; `raw.json` of a result is this. */
export interface BenchReport {
  startedAt: string;
  seconds: number;
  options: BenchOptions;
  machine: Machine;
  servers: string;
  k6: string;
  rows: Row[];
  ratios: Ratio[];
  failures: string[];
  outcomes: Outcome[];
}

export interface BenchRun {
  report: BenchReport;
  /** Folder with `raw.json` and `report.html`. */
  folder: string;
}

/** @throws {CommandFailure} naming a scenario that does not exist */
export function chooseScenarios({ quick, soak, growth, all, only }: BenchOptions): Scenario[] {
  const unknown = only.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown !== undefined) {
    throw new CommandFailure(
      `there is no scenario ${unknown}: choose from ${SCENARIOS.map(({ name }) => name).join(", ")}`,
      { exitCode: EXIT.usage },
    );
  }
  if (only.length > 0) return SCENARIOS.filter(({ name }) => only.includes(name));
  const isUsual = all || !(soak || growth);
  return SCENARIOS.filter(({ inQuick, onlyWith }) => {
    if (onlyWith === "growth") return growth;
    if (onlyWith === "soak") return soak || all;
    return isUsual && (inQuick || !quick);
  });
}

/** Measures everything that was asked for and writes the report. Failures are in the report; it throws only when nothing could be measured. */
export async function runBench(
  options: BenchOptions,
  progress: Progress,
  env: Record<string, string | undefined>,
  interrupt: AbortSignal,
): Promise<BenchRun> {
  const scenarios = chooseScenarios(options);
  const startedAt = new Date();
  const resultFolder = resultFolderOf(startedAt);
  const machine = describeMachine(PROJECT_ROOT);
  const plan = checkTools(new Set(scenarios.flatMap(({ needs = [] }) => needs)));
  await installTools(plan, progress);
  // Before the programs are built, which takes minutes: servers may have to be installed as well, or cannot be had.
  const servers = await startBenchServers(env, progress);
  const work = mkdtempSync(join(tmpdir(), "tollgate-bench-run-"));
  try {
    const tools = await Promise.race([buildTools(plan, progress), whenAborted(interrupt)]);
    const context: BenchContext = {
      servers,
      tools,
      progress,
      isQuick: options.quick,
      gateways: options.gateways,
      workers: options.workers,
      folder: work,
      profileFolder: undefined,
    };
    const outcomes: Outcome[] = [];
    for (const scenario of scenarios) {
      progress.say(`\n── ${scenario.name}: ${scenario.about}`);
      const profileFolder = options.profile
        ? join(resultFolder, "profiles", scenario.name)
        : undefined;
      const run = runScenario(scenario, { ...context, profileFolder });
      outcomes.push(await Promise.race([run, whenAborted(interrupt)]));
    }
    const rows = judge(outcomes);
    const report: BenchReport = {
      startedAt: startedAt.toISOString(),
      seconds: (Date.now() - startedAt.getTime()) / 1_000,
      options,
      machine,
      servers: servers.source,
      k6: describeK6(tools),
      rows,
      ratios: peerRatios(outcomes),
      failures: failuresOf(outcomes, rows),
      outcomes,
    };
    await writeReport(report, resultFolder);
    return { report, folder: resultFolder };
  } finally {
    rmSync(work, { recursive: true, force: true });
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

async function runScenario(scenario: Scenario, context: BenchContext): Promise<Outcome> {
  const { name, about } = scenario;
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1_000;
  try {
    const measured = await scenario.run(context);
    const others = meanCores(measured.samples, "other") ?? 0;
    if (others > OTHERS_CORES_MAX) {
      measured.notes.push(
        `noisy: other programs of this machine took ${others.toFixed(2)} cores meanwhile`,
      );
    }
    return { scenario: name, about, ...measured, seconds: seconds() };
  } catch (error) {
    // The others are still worth measuring.
    const failure = error instanceof Error ? error.message : String(error);
    context.progress.say(`✗ ${name}: ${failure}`);
    return {
      scenario: name,
      about,
      figures: [],
      loads: [],
      samples: [],
      notes: [],
      failures: [failure.split("\n", 1).join("")],
      seconds: seconds(),
    };
  }
}

function describeK6({ k6 }: Tools): string {
  if (k6 === undefined) return "not used";
  return "problem" in k6 ? `replaced by the paced generator: ${k6.problem}` : k6.version;
}

function resultFolderOf(startedAt: Date): string {
  const name = startedAt.toISOString().replaceAll(":", "").slice(0, "2026-01-01T000000".length);
  return join(PROJECT_ROOT, "bench/results", name);
}

async function writeReport(report: BenchReport, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await Bun.write(join(folder, "raw.json"), `${JSON.stringify(report, null, 1)}\n`);
  await Bun.write(join(folder, "report.html"), await renderPage(report));
}
