import type { Sample } from "../figures.ts";
import { slope, sum } from "../statistics.ts";
import { cpuSeconds, machineSeconds, readProcesses, residentBytes } from "./processes.ts";

export interface Sampler {
  /** Counts this process and its descendants as `label` from now on. */
  watch: (pid: number, label: string) => void;
  /** From now on: what it returns tells the seconds of CPU by part so far, of those that serve and ran. */
  watchCpu: () => () => Map<string, number>;
  /** All samples so far, in order. */
  samples: () => Sample[];
  /** Samples from now on, without those of before. */
  restart: () => void;
  stop: () => void;
}

const PERIOD_MS = 1_000;
/** Parts that serve nobody. */
const BYSTANDERS = ["bench", "generator", "simulator"];

/** What was added to each number since. */
const since = (before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>) =>
  new Map([...now].map(([part, seconds]) => [part, seconds - (before.get(part) ?? 0)]));

/**
 * Looks at CPU, memory and queues once a second; it costs 2 to 3 ms of CPU per look, counted as `bench`.
 * `labels` tells the part of a process by its pid. `readQueues` reads the messages ready by queue; it may
 * fail while a server is busy, then the sample goes without.
 */
export function startSampler(
  labels: Map<number, string>,
  readQueues: () => Promise<Record<string, number>>,
): Sampler {
  let samples: Sample[] = [];
  let startedAt = performance.now();
  let isBusy = false;
  let processes = readProcesses();
  /** Seconds of CPU by part, gathered look by look, so that what ends between two of them counts as well. */
  const totals = new Map<string, number>();
  let before = look();

  function look() {
    const now = readProcesses();
    for (const [part, seconds] of cpuSeconds(processes, now, labels))
      totals.set(part, (totals.get(part) ?? 0) + seconds);
    processes = now;
    return { at: performance.now(), machine: machineSeconds(), cpu: new Map(totals) };
  }

  async function sample(): Promise<void> {
    if (isBusy) return;
    isBusy = true;
    const now = look();
    const elapsed = (now.at - before.at) / 1_000;
    const used = since(before.cpu, now.cpu);
    used.set("other", Math.max(0, now.machine - before.machine - sum(used.values())));
    before = now;
    const bytes = residentBytes(processes, labels);
    const queues = await readQueues().catch(() => ({}));
    samples.push({
      atSeconds: (now.at - startedAt) / 1_000,
      cores: Object.fromEntries([...used].map(([part, seconds]) => [part, seconds / elapsed])),
      bytes: Object.fromEntries(bytes),
      queues,
    });
    isBusy = false;
  }

  const timer = setInterval(() => void sample(), PERIOD_MS);
  return {
    watch: (pid, label) => void labels.set(pid, label),
    watchCpu: () => {
      const { cpu } = look();
      return () => {
        const used = [...since(cpu, look().cpu)];
        return new Map(used.filter(([part, took]) => took > 0 && !BYSTANDERS.includes(part)));
      };
    },
    samples: () => samples,
    restart: () => {
      samples = [];
      startedAt = performance.now();
    },
    stop: () => clearInterval(timer),
  };
}

/** Mean cores of a part over samples; 0 when it was not seen. */
export function meanCores(samples: readonly Sample[], label: string): number {
  const seen = samples.flatMap(({ cores }) => cores[label] ?? []);
  return sum(seen) / Math.max(1, seen.length);
}

/** Largest resident size of a part in megabytes; 0 when it was not seen. */
export function peakMegabytes(samples: readonly Sample[], label: string): number {
  return Math.max(0, ...samples.map(({ bytes }) => bytes[label] ?? 0)) / 1_048_576;
}

/** By how much something grows a minute. */
export const growthOf = (samples: readonly Sample[], read: (sample: Sample) => number): number =>
  slope(samples.map((one) => ({ x: one.atSeconds / 60, y: read(one) })));

/** Growth of what waits in the queues, messages per second. */
export const backlogSlope = (samples: readonly Sample[]): number =>
  growthOf(samples, ({ queues: { requests = 0, results = 0 } }) => requests + results) / 60;
