import { dirname } from "node:path";

import { describeError } from "../../adapters/terminal/failure.ts";
import { createProgress } from "../../adapters/terminal/progress.ts";
import { serverEnvironment } from "../../adapters/state/server-urls.ts";
import { urlsFromEnvironment } from "../../local/servers/choose-source.ts";
import {
  startTestServers,
  type TestServers,
  TLS_VARIABLE,
} from "../../local/servers/test-servers.ts";
import { bringTestPrometheus } from "./bring-prometheus.ts";
import { runStage } from "./run-stage.ts";
import type { StageResult, StageRun, TestStage } from "./stages.ts";

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
  const servers = new Map<string, TestServers>();
  try {
    try {
      // One after the other: what is missing on this machine is installed by the first.
      for (const lane of lanes) {
        for (const { stage } of lane) {
          if (interrupt.aborted) return;
          if (!stage.needsServers || servers.has(serversOf(stage))) continue;
          const { isEncrypted = false } = stage;
          const progress = createProgress(process.stdout);
          servers.set(
            serversOf(stage),
            await startTestServers(process.env, progress, { isEncrypted }),
          );
        }
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
      lanes.map(async (lane) => {
        for (const run of lane) {
          if (interrupt.aborted) return;
          const env = environmentOf(servers.get(serversOf(run.stage)));
          const mark = lanes.length > 1 ? `${run.stage.name.padEnd(7)} │ ` : "";
          done.set(run, await runStage(run, env, mark, interrupt));
        }
      }),
    );
    results.push(...runs.flatMap((run) => done.get(run) ?? []));
  } finally {
    await Promise.all([...servers.values()].map((one) => one.remove()));
  }
}

/** Which servers a stage runs on: those of its lane. */
const serversOf = ({ lane, isEncrypted }: TestStage): string =>
  isEncrypted === true ? `${lane}, encrypted` : lane;

/** What tests are told of their servers. Bun, which runs them, believes their authority. */
function environmentOf(servers: TestServers | undefined): Record<string, string> {
  if (servers === undefined) return {};
  const { urls, tls } = servers;
  if (tls === undefined) return serverEnvironment(urls);
  return {
    ...serverEnvironment(urls),
    [TLS_VARIABLE]: dirname(tls.ca),
    NODE_EXTRA_CA_CERTS: tls.ca,
  };
}
