import { join } from "node:path";

import { InvalidArgumentError, Option } from "commander";

import { EXIT } from "../adapters/terminal/failure.ts";
import { shortPath } from "../adapters/state/paths.ts";
import { createProgress } from "../adapters/terminal/progress.ts";
import { createProgram, runProgram } from "../adapters/terminal/program.ts";
import { summaryLines } from "./report/text.ts";
import { type BenchOptions, runBench } from "./run.ts";
import { SCENARIOS } from "./scenarios/all.ts";

interface BenchFlags extends BenchOptions {
  list: boolean;
  json: boolean;
}

const PROCESSES_MAX = 64;

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > PROCESSES_MAX)
    throw new InvalidArgumentError(`must be a whole number from 1 to ${PROCESSES_MAX}.`);
  return count;
}

const program = createProgram("tollgate bench")
  .description("measure on a private stack, compare the books afterwards, write a report")
  .option("--quick", "fewer and shorter scenarios: under three minutes", false)
  .option("--soak", "half an hour of steady load, to see whether memory grows", false)
  .option("--growth", "what a request costs with more users, rows, backlog and processes", false)
  .option("--all", "the usual scenarios and --soak: every row of the design's numbers", false)
  .addOption(
    new Option("--only <name...>", "only these scenarios; may be repeated")
      .choices(SCENARIOS.map(({ name }) => name))
      .default([], "all that belong to the kind of run"),
  )
  .option("--gateways <n>", "gateways on one port", parseCount, 1)
  .option("--workers <n>", "worker processes", parseCount, 1)
  .option("--profile", "CPU profiles of all processes, beside the report; slows them down", false)
  .option("--list", "name the scenarios; those of --quick have a star", false)
  .option("--json", "print the report as JSON; progress goes to standard error", false)
  .addHelpText(
    "after",
    `
Brings what it needs and says so: wrk from packages; k6 and Bento built with Go once.
Servers are chosen as by ./tollgate test. The report goes to bench/results/<date>/report.html.
Exit code 1: a figure missed its bound, or the books differ.

Examples:
  ./tollgate bench --quick
  ./tollgate bench --only frontier --only beside-bento --gateways 2`,
  )
  .action(bench);

async function bench({ list, json, ...options }: BenchFlags): Promise<void> {
  if (list) {
    listScenarios();
    return;
  }
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => interrupt.abort());
  const progress = createProgress(json ? process.stderr : process.stdout);
  const { report, folder } = await runBench(options, progress, process.env, interrupt.signal);
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  for (const line of summaryLines(report)) progress.say(line);
  progress.say(`\nReport: ${shortPath(join(folder, "report.html"))}`);
  if (report.failures.length > 0) process.exitCode = EXIT.failed;
}

function listScenarios(): void {
  for (const { name, about, part } of SCENARIOS) {
    const flag = part === "soak" || part === "growth" ? `--${part}: ` : "";
    process.stdout.write(`${part === "quick" ? "*" : " "} ${name.padEnd(17)}${flag}${about}\n`);
  }
}

await runProgram(program, process.env);
