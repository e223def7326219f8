import { describeError } from "../../adapters/terminal/failure.ts";
import { createProgress } from "../../adapters/terminal/progress.ts";
import { serverEnvironment } from "../../adapters/state/server-urls.ts";
import { urlsFromEnvironment } from "../../local/servers/choose-source.ts";
import { startTestServers, type TestServers } from "../../local/servers/test-servers.ts";
import { bringTestPrometheus } from "./bring-prometheus.ts";
import { runStage } from "./run-stage.ts";
import type { StageResult, StageRun } from "./stages.ts";

/** Runs that go one after the other, beside other lanes. */
export type LaneRuns = readonly StageRun[];

/** Those that need nothing, and the lanes of the others; one lane where servers cannot be had twice. */
export function lanesOf(
  runs: readonly StageRun[],
  canHaveManyServers: boolean,
): { first: LaneRuns; lanes: LaneRuns[] } {
  const first = runs.filter(({ stage }) => stage.lane === "alone");
  const others = runs.filter(({ stage }) => stage.lane !== "alone");
  if (others.length === 0) return { first, lanes: [] };
  if (!canHaveManyServers) return { first, lanes: [others] };
  return { first, lanes: [...Map.groupBy(others, ({ stage }) => stage.lane).values()] };
}

/**
 * Runs the stages, each lane on servers of its own, which are removed whatever happens. Adds to `results`
 * what each came to, in the order of the stages.
 */
export async function runLanes(
  runs: readonly StageRun[],
  results: StageResult[],
  interrupt: AbortSignal,
): Promise<void> {
  const { first, lanes } = lanesOf(runs, urlsFromEnvironment(process.env) === undefined);
  for (const run of first) results.push(await runStage(run, {}, "", interrupt));
  const servers: TestServers[] = [];
  try {
    try {
      // One after the other: what is missing on this machine is installed by the first.
      for (const lane of lanes) {
        if (interrupt.aborted) return;
        servers.push(await startTestServers(process.env, createProgress(process.stdout)));
        if (lane.some(({ stage }) => stage.wantsPrometheus === true))
          await bringTestPrometheus(createProgress(process.stdout), process.env["PATH"] ?? "");
      }
    } catch (error) {
      // What was run so far is still worth its summary.
      process.stderr.write(`tollgate: ${describeError(error)}\n`);
      results.push({ name: "servers", passed: 0, failed: 1, skipped: 0, durationMs: 0 });
      return;
    }
    const done = new Map<StageRun, StageResult>();
    await Promise.all(
      lanes.map(async (lane, index) => {
        const env = servers[index] === undefined ? {} : serverEnvironment(servers[index].urls);
        for (const run of lane) {
          if (interrupt.aborted) return;
          const mark = lanes.length > 1 ? `${run.stage.name.padEnd(7)} │ ` : "";
          done.set(run, await runStage(run, env, mark, interrupt));
        }
      }),
    );
    results.push(...runs.flatMap((run) => done.get(run) ?? []));
  } finally {
    await Promise.all(servers.map((one) => one.remove()));
  }
}
