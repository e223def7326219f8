import { join } from "node:path";

import type { LoadResult } from "../figures.ts";
import type { CallFiles } from "./calls.ts";
import type { K6, Tools } from "../tools/tools.ts";
import { readK6Summary } from "./k6-summary.ts";
import type { PacedJob, PacedReport } from "./paced/job.ts";

export interface LoadPlan {
  name: string;
  /**
   * `k6` and `paced` send at a constant rate whatever the answers. `paced` is ours and takes about a fifth of k6's CPU, which on a machine
   * that also runs the servers decides what is measured. `wrk` sends the next call when the last is answered (closed loop).
   */
  generator: LoadResult["generator"];
  url: string;
  files: CallFiles;
  /** Index of the first call of the file to send. */
  firstCall?: number;
  /** Not for wrk. */
  ratePerSecond?: number;
  seconds: number;
  connections: number;
  expectStatus: number;
}

export interface LoadTools {
  programs: Tools;
  /** For the files of jobs. */
  folder: string;
  /** Tells the sampler of the generator's process. */
  watch: (pid: number, label: string) => void;
}

const GRACE_SECONDS = 5;
/** Of a run at most this many stretches are told apart. */
const BUCKETS_MAX = 60;
const START_SECONDS = 30;

const bucketSecondsOf = (seconds: number): number => Math.max(1, Math.ceil(seconds / BUCKETS_MAX));

/** Runs one load to its end. Throws when the generator fails or hangs; a server that refuses is a result. */
export async function runLoad(plan: LoadPlan, tools: LoadTools): Promise<LoadResult> {
  switch (plan.generator) {
    case "k6": {
      const { k6 } = tools.programs;
      if (k6 === undefined)
        throw new Error(`${plan.name} needs k6, which its scenario does not say`);
      // Open loop as well, and stricter.
      return "problem" in k6 ? runPaced(plan, tools) : runK6(plan, tools, k6);
    }
    case "wrk":
      return runWrk(plan, tools);
    case "paced":
      return runPaced(plan, tools);
  }
}

interface Spawned {
  output: string;
  /** CPU time over the seconds of the plan, cores. */
  cores: number;
}

async function runGenerator(
  plan: LoadPlan,
  tools: LoadTools,
  command: readonly string[],
  { input = "", env = {} }: { input?: string; env?: Record<string, string> } = {},
): Promise<Spawned> {
  const child = Bun.spawn([...command], {
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...env },
    timeout: (plan.seconds + GRACE_SECONDS + START_SECONDS) * 1_000,
  });
  tools.watch(child.pid, "generator");
  const [output, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  // 99 is k6's word for a missed threshold, which ours never are.
  if (code !== 0) {
    const reason = errors.trim().split("\n").slice(-3).join(" ");
    throw new Error(`${plan.generator} ended with ${code} in "${plan.name}": ${reason}`);
  }
  const cpu = child.resourceUsage()?.cpuTime.total;
  return { output, cores: Number(cpu ?? 0) / 1e6 / plan.seconds };
}

const resultOf = (
  plan: LoadPlan,
  { cores }: Spawned,
  report: Omit<LoadResult, "name" | "offeredPerSecond" | "connections" | "generatorCores">,
): LoadResult => ({
  name: plan.name,
  offeredPerSecond: plan.generator === "wrk" ? null : (plan.ratePerSecond ?? null),
  connections: plan.connections,
  ...report,
  generatorCores: cores,
});

function requireRate(plan: LoadPlan): number {
  if (plan.ratePerSecond === undefined)
    throw new Error(`${plan.name} is open loop and needs a rate`);
  return plan.ratePerSecond;
}

async function runPaced(plan: LoadPlan, tools: LoadTools): Promise<LoadResult> {
  const job: PacedJob = {
    url: plan.url,
    rawPath: plan.files.raw,
    firstCall: plan.firstCall ?? 0,
    ratePerSecond: requireRate(plan),
    seconds: plan.seconds,
    graceSeconds: GRACE_SECONDS,
    connections: plan.connections,
    waitingMax: requireRate(plan) * GRACE_SECONDS,
    expectStatus: plan.expectStatus,
    bucketSeconds: bucketSecondsOf(plan.seconds),
  };
  const command = [process.execPath, join(import.meta.dir, "paced/main.ts")];
  const spawned = await runGenerator(plan, tools, command, { input: JSON.stringify(job) });
  const report = JSON.parse(spawned.output) as PacedReport;
  return resultOf(plan, spawned, { generator: "paced", ...report });
}

async function runK6(plan: LoadPlan, tools: LoadTools, { command }: K6): Promise<LoadResult> {
  const bucketSeconds = bucketSecondsOf(plan.seconds);
  const jobPath = join(tools.folder, "k6-job.json");
  const summaryPath = join(tools.folder, "k6-summary.json");
  const job = {
    url: plan.url,
    callsPath: plan.files.json,
    firstCall: plan.firstCall ?? 0,
    ratePerSecond: requireRate(plan),
    seconds: plan.seconds,
    graceSeconds: GRACE_SECONDS,
    connections: plan.connections,
    expectStatus: plan.expectStatus,
    bucketSeconds,
    buckets: Math.ceil(plan.seconds / bucketSeconds) + 1,
    summaryPath,
  };
  await Bun.write(jobPath, JSON.stringify(job));
  const script = join(import.meta.dir, "../k6/calls.js");
  const run = [...command, "run", "--quiet", "--no-usage-report", script];
  const spawned = await runGenerator(plan, tools, run, { env: { BENCH_JOB: jobPath } });
  const summary: unknown = await Bun.file(summaryPath).json();
  const report = readK6Summary(summary, plan.seconds, bucketSeconds);
  return resultOf(plan, spawned, { generator: "k6", ...report });
}

interface WrkReport {
  requests: number;
  microseconds: number;
  refused: number;
  lost: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
  p999: number;
  max: number;
}

async function runWrk(plan: LoadPlan, tools: LoadTools): Promise<LoadResult> {
  const { wrk } = tools.programs;
  if (wrk === undefined) throw new Error(`${plan.name} needs wrk, which its scenario does not say`);
  const spawned = await runGenerator(plan, tools, [
    wrk,
    "--threads=1",
    `--connections=${plan.connections}`,
    `--duration=${plan.seconds}s`,
    `--script=${join(import.meta.dir, "wrk.lua")}`,
    plan.url,
    "--",
    plan.files.raw,
  ]);
  const line = spawned.output.split("\n").findLast((one) => one.startsWith("{")) ?? "{}";
  const { requests, microseconds, refused, lost, p50, p90, p95, p99, p999, max } = JSON.parse(
    line,
  ) as WrkReport;
  const expected = requests - refused;
  return resultOf(plan, spawned, {
    generator: "wrk",
    seconds: microseconds / 1e6,
    expected,
    perSecond: expected / (microseconds / 1e6),
    unexpected: { ...(refused > 0 ? { refused } : {}), ...(lost > 0 ? { "0": lost } : {}) },
    dropped: 0,
    latencyMs: { p50, p90, p95, p99, p999, max },
    overTime: [],
  });
}
