import { join } from "node:path";

import type { LoadReport, LoadResult } from "../figures.ts";
import type { Tools } from "../tools/tools.ts";
import type { CallFiles } from "./calls.ts";

/** How calls are offered. */
export interface Pace {
  /** Open loop: calls at a constant rate, whatever the answers. Absent: closed loop, by wrk. */
  ratePerSecond?: number;
  /**
   * Who sends at a rate. The paced generator, unless told otherwise: it is ours and takes about a fifth of
   * k6's CPU, which on a machine that also runs the servers decides what is measured.
   */
  by?: "k6" | "paced";
  seconds: number;
  connections: number;
  /** Of a good answer. Default: 202. */
  status?: number;
}

/** What a generator at a rate is told, as JSON in the environment variable `BENCH_JOB`. */
export interface LoadJob {
  url: string;
  files: CallFiles;
  ratePerSecond: number;
  seconds: number;
  /** How long answers may come after the end. */
  graceSeconds: number;
  connections: number;
  expectStatus: number;
  /** Length of the stretches that are told apart. */
  bucketSeconds: number;
}

const GRACE_SECONDS = 5;
const BUCKETS_MAX = 60;
const START_SECONDS = 30;

interface Generator {
  name: LoadResult["generator"];
  command: readonly string[];
}

function chooseGenerator(job: LoadJob, { ratePerSecond, by }: Pace, tools: Tools): Generator {
  const commandOf = (name: "wrk" | "k6"): readonly string[] | undefined => {
    const tool = tools[name];
    if (tool === undefined)
      throw new Error(`a load needs ${name}, which its scenario does not say`);
    return "problem" in tool ? undefined : tool.command;
  };
  if (ratePerSecond === undefined) {
    const [wrk = "wrk"] = commandOf("wrk") ?? [];
    const options = [`--connections=${job.connections}`, `--duration=${job.seconds}s`];
    const script = ["--script", join(import.meta.dir, "wrk.lua")];
    const input = [job.url, "--", job.files.raw];
    return { name: "wrk", command: [wrk, "--threads=1", ...options, ...script, ...input] };
  }
  const k6 = by === "k6" ? commandOf("k6") : undefined;
  // The paced generator is open loop as well, and stricter.
  if (k6 === undefined)
    return { name: "paced", command: [process.execPath, join(import.meta.dir, "paced/main.ts")] };
  const script = join(import.meta.dir, "../k6/calls.js");
  return { name: "k6", command: [...k6, "run", "--quiet", "--no-usage-report", script] };
}

/**
 * Runs one load to its end; `watch` is told the process of the generator. A server that refuses is a result.
 *
 * @throws when the generator fails or hangs
 */
export async function runLoad(
  name: string,
  target: Pick<LoadJob, "url" | "files">,
  pace: Pace,
  { tools, watch }: { tools: Tools; watch: (pid: number, label: string) => void },
): Promise<LoadResult> {
  const { ratePerSecond = 0, seconds, connections, status: expectStatus = 202 } = pace;
  const job: LoadJob = {
    ...target,
    ratePerSecond,
    seconds,
    graceSeconds: GRACE_SECONDS,
    connections,
    expectStatus,
    bucketSeconds: Math.max(1, Math.ceil(seconds / BUCKETS_MAX)),
  };
  const generator = chooseGenerator(job, pace, tools);
  const child = Bun.spawn([...generator.command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, BENCH_JOB: JSON.stringify(job) },
    timeout: (seconds + GRACE_SECONDS + START_SECONDS) * 1_000,
  });
  watch(child.pid, "generator");
  const [output, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const line = output.split("\n").findLast((one) => one.startsWith("{"));
  if (code !== 0 || line === undefined) {
    const reason = errors.trim().split("\n").slice(-3).join(" ");
    throw new Error(`${generator.name} ended with ${code} in "${name}": ${reason}`);
  }
  return {
    name,
    generator: generator.name,
    offeredPerSecond: pace.ratePerSecond ?? null,
    connections,
    ...(JSON.parse(line) as LoadReport),
    generatorCores: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6 / seconds,
  };
}
