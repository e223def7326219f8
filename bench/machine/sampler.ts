import type { Sample } from "../figures.ts";
import { slope } from "../statistics.ts";
import { machineTicks, readProcesses, TICKS_PER_SECOND, usageByLabel } from "./processes.ts";

export interface Sampler {
  /** Counts this process and its descendants as `label` from now on. */
  watch: (pid: number, label: string) => void;
  /** All samples so far, in order. */
  samples: () => Sample[];
  /** Samples from now on, without those of before. */
  restart: () => void;
  stop: () => void;
}

const PERIOD_MS = 1_000;

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
  let before = look();
  let busy = false;

  function look() {
    const usage = usageByLabel(readProcesses(), labels);
    return { at: performance.now(), machine: machineTicks(), usage };
  }

  async function sample(): Promise<void> {
    if (busy) return;
    busy = true;
    const now = look();
    const coresOf = (ticks: number): number =>
      ticks / TICKS_PER_SECOND / ((now.at - before.at) / 1_000);
    const cores: Record<string, number> = {};
    const bytes: Record<string, number> = {};
    let ours = 0;
    for (const [label, usage] of now.usage) {
      const earlier = before.usage.get(label)?.ticksByPid;
      let ticks = 0;
      for (const [pid, total] of usage.ticksByPid) ticks += total - (earlier?.get(pid) ?? 0);
      // A part seen for the first time brings the CPU of its start along.
      cores[label] = earlier === undefined ? 0 : coresOf(ticks);
      ours += cores[label];
      bytes[label] = usage.ownBytes + usage.sharedBytes;
    }
    cores["other"] = Math.max(0, coresOf(now.machine - before.machine) - ours);
    before = now;
    const queues = await readQueues().catch(() => ({}));
    samples.push({ atSeconds: (now.at - startedAt) / 1_000, cores, bytes, queues });
    busy = false;
  }

  const timer = setInterval(() => void sample(), PERIOD_MS);
  return {
    watch: (pid, label) => void labels.set(pid, label),
    samples: () => samples,
    restart: () => {
      samples = [];
      startedAt = performance.now();
    },
    stop: () => clearInterval(timer),
  };
}

/** Mean cores of a part over samples; undefined without samples. */
export function meanCores(samples: readonly Sample[], label: string): number | undefined {
  const seen = samples.flatMap(({ cores }) => (cores[label] === undefined ? [] : [cores[label]]));
  return seen.length === 0 ? undefined : seen.reduce((sum, one) => sum + one, 0) / seen.length;
}

/** Largest resident size of a part in megabytes; 0 when it was not seen. */
export function peakMegabytes(samples: readonly Sample[], label: string): number {
  return Math.max(0, ...samples.map(({ bytes }) => bytes[label] ?? 0)) / 1_048_576;
}

/** Parts that serve nobody. */
const BYSTANDERS = new Set(["bench", "generator", "other", "simulator"]);

/** Seconds of CPU by part, of those that serve somebody, over the samples after `sinceSeconds`. */
export function cpuSecondsByPart(
  samples: readonly Sample[],
  sinceSeconds = 0,
): Map<string, number> {
  const seconds = new Map<string, number>();
  let before = sinceSeconds;
  for (const { atSeconds, cores } of samples) {
    if (atSeconds <= sinceSeconds) continue;
    for (const [part, used] of Object.entries(cores)) {
      if (!BYSTANDERS.has(part))
        seconds.set(part, (seconds.get(part) ?? 0) + used * (atSeconds - before));
    }
    before = atSeconds;
  }
  return seconds;
}

/** Growth of what waits in the queues, messages per second. */
export function backlogSlope(samples: readonly Sample[]): number {
  const waiting = ({ queues }: Sample): number =>
    (queues["requests"] ?? 0) + (queues["results"] ?? 0);
  return slope(samples.map((one) => ({ x: one.atSeconds, y: waiting(one) })));
}
