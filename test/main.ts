import { Argument } from "commander";

import { CommandFailure, EXIT } from "../adapters/terminal/failure.ts";
import { createProgram, runProgram } from "../adapters/terminal/program.ts";
import { runChecks } from "./run/checks.ts";
import { runRandomFaults } from "./run/random-faults.ts";
import { runLanes } from "./run/lanes.ts";
import { findTestFiles } from "./run/run-stage.ts";
import {
  formatSummary,
  selectTests,
  STAGE_NAMES,
  type StageName,
  type StageResult,
  stagesOf,
  TEST_STAGES,
} from "./run/stages.ts";

const stageLines = TEST_STAGES.map(({ name, about }) => `  ${name.padEnd(9)}${about}`).join("\n");

const program = createProgram("tollgate test")
  .description("run the checks and tests; starts the servers that they need and removes them")
  .addArgument(new Argument("[stage]", "only this stage").choices([...STAGE_NAMES]))
  .option(
    "--only <pattern>",
    "test files whose path contains it; if none, tests whose name matches it",
  )
  .option("--minutes <n>", "with the stage faults: draw faults at random for so long instead")
  .option("--seed <s>", "which random faults are drawn; default: by the clock, and printed")
  .addHelpText(
    "after",
    `
Stages, in this order; api and faults run beside servers, e2e and queries, on servers of their own, unless
servers come from the environment:
  check    format, lint, types, dead code, line length
${stageLines}

Servers come from DATABASE_URL, REDIS_URL and AMQP_URL (the tests may wreck those), else from Docker, else
from programs on this machine, else from Debian packages. TOLLGATE_SERVERS=url|docker|local forces one.
Prometheus (for the rules and queries) comes from this machine, else from the Debian package; without it
those are skipped. So is api, unless KUBECONFIG names a cluster or ./tollgate drill cluster --build was run.
The last line is \`N passed, N failed\`; a failed check counts as a failed test.

Examples:
  ./tollgate test
  ./tollgate test unit --only backoff
  ./tollgate test faults --minutes 30 --seed 7`,
  )
  .action(test);

interface TestOptions {
  only?: string;
  minutes?: string;
  seed?: string;
}

async function test(stageName: StageName | undefined, options: TestOptions): Promise<void> {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => interrupt.abort());
  if (options.minutes !== undefined || options.seed !== undefined) {
    await testRandomFaults(stageName, options, interrupt.signal);
    return;
  }

  const runs = selectTests(
    stagesOf(stageName).map((stage) => ({ stage, files: findTestFiles(stage) })),
    options.only,
  );
  const wantsCheck =
    stageName === "check" || (stageName === undefined && options.only === undefined);
  if (runs.length === 0 && !wantsCheck) {
    throw new CommandFailure(`there are no tests to run for ${options.only ?? stageName}`, {
      exitCode: EXIT.usage,
    });
  }
  const results: StageResult[] = [];
  if (wantsCheck) {
    process.stdout.write("── check\n");
    results.push(await runChecks(interrupt.signal));
  }
  await runLanes(runs, results, interrupt.signal);
  if (interrupt.signal.aborted)
    throw new CommandFailure("interrupted", { exitCode: EXIT.interrupted });
  process.stdout.write(`\n${formatSummary(results)}\n`);
  if (results.every(({ passed, failed }) => passed + failed === 0)) {
    if (options.only === undefined)
      throw new CommandFailure("nothing was tested: every test of it is skipped, as said above");
    throw new CommandFailure(`no test's path contains and no test's name matches ${options.only}`, {
      exitCode: EXIT.usage,
    });
  }
  if (results.some(({ failed }) => failed > 0)) process.exitCode = EXIT.failed;
}

async function testRandomFaults(
  stageName: StageName | undefined,
  { minutes, seed, only }: TestOptions,
  interrupt: AbortSignal,
): Promise<void> {
  if (stageName !== "faults" || minutes === undefined || only !== undefined) {
    throw new CommandFailure(
      "random faults are asked for by: ./tollgate test faults --minutes N [--seed S]",
      { exitCode: EXIT.usage },
    );
  }
  const isKept = await runRandomFaults({ minutes, seed }, interrupt);
  if (interrupt.aborted) throw new CommandFailure("interrupted", { exitCode: EXIT.interrupted });
  process.stdout.write(isKept ? "1 passed, 0 failed\n" : "0 passed, 1 failed\n");
  if (!isKept) process.exitCode = EXIT.failed;
}

await runProgram(program, process.env);
