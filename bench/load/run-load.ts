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
  /** Where to. Default: the gateway of the stack. */
  url?: string;
}

/** What a generator at a rate is told, as JSON in the environment variable `BENCH_JOB`. */
export interface LoadJob extends Required<Omit<Pace, "by">> {
  files: CallFiles;
  /** File of the authority of an https URL; the paced generator alone checks it. */
  ca?: string;
  /** How long answers may come after the end. */
  graceSeconds: number;
  /** Length of the stretches that are told apart. */
  bucketSeconds: number;
}

interface Means {
  tools: Tools;
  /** Is told the process of the generator. */
  watch: (pid: number, label: string) => void;
  ca?: string | undefined;
}

const GRACE_SECONDS = 5;
const BUCKETS_MAX = 60;
const START_SECONDS = 30;
const WRK = ["--threads=1", "--script", join(import.meta.dir, "wrk.lua")];
const K6 = ["run", "--quiet", "--no-usage-report", join(import.meta.dir, "../k6/calls.js")];
const PACED = [process.execPath, join(import.meta.dir, "paced/main.ts")];

interface Generator {
  name: LoadResult["generator"];
  command: string[];
}

function chooseGenerator(job: LoadJob, { ratePerSecond, by }: Pace, { wrk, k6 }: Tools): Generator {
  if (ratePerSecond === undefined) {
    if (wrk === undefined || "problem" in wrk) throw new Error("its scenario does not name wrk");
    const options = [`--connections=${job.connections}`, `--duration=${job.seconds}s`, ...WRK];
    return { name: "wrk", command: [wrk.command, ...options, job.url, "--", job.files.raw] };
  }
  if (by === "k6" && k6 !== undefined && "command" in k6)
    return { name: "k6", command: [k6.command, ...K6] };
  // Also where k6 cannot be had: it is open loop as well, and stricter.
  return { name: "paced", command: PACED };
}

/**
 * Runs one load to its end; `watch` is told the process of the generator. A server that refuses is a result.
 *
 * @throws when the generator fails or hangs
 */
export async function runLoad(
  name: string,
  files: CallFiles,
  pace: Pace & { url: string },
  { tools, watch, ca }: Means,
): Promise<LoadResult> {
  const { seconds } = pace;
  const bucketSeconds = Math.max(1, Math.ceil(seconds / BUCKETS_MAX));
  const times = { graceSeconds: GRACE_SECONDS, bucketSeconds };
  const job: LoadJob = {
    ratePerSecond: 0,
    status: 202,
    ...pace,
    files,
    ...times,
    ...(ca !== undefined && { ca }),
  };
  const generator = chooseGenerator(job, pace, tools);
  const child = Bun.spawn(generator.command, {
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
    ...(JSON.parse(line) as LoadReport),
    generatorCores: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6 / seconds,
  };
}
