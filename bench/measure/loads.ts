import { join } from "node:path";

import type { LoadResult } from "../figures.ts";
import { type Call, type CallFiles, writeCalls } from "../load/calls.ts";
import { type Pace, runLoad } from "../load/run-load.ts";
import type { Sampler } from "../machine/sampler.ts";
import type { Bench } from "./bench.ts";

/** Sends loads somewhere while the machine is looked at. */
export interface Loads {
  /** Writes files of the calls, for any generator. */
  calls: (calls: readonly Call[]) => CallFiles;
  /** Runs a load and notes what it saw; `url` is for calls to elsewhere. */
  load: (name: string, files: CallFiles, pace: Pace, url?: string) => Promise<LoadResult>;
  /** Runs a load that is not part of the measurement: fills a backlog, warms caches. */
  unmeasured: (files: CallFiles, pace: Pace, url?: string) => Promise<LoadResult>;
  sampler: Pick<Sampler, "samples" | "restart" | "watch">;
}

export function openLoads(
  { tools, folder, progress, measured }: Bench,
  defaultUrl: string,
  sampler: Loads["sampler"],
): Loads {
  let fileCount = 0;
  const unmeasured: Loads["unmeasured"] = (files, pace, url = defaultUrl) =>
    runLoad("unmeasured", { url, files }, pace, { tools, watch: sampler.watch });
  return {
    sampler,
    unmeasured,
    calls: (list) => {
      fileCount += 1;
      return writeCalls(list, defaultUrl, join(folder, `calls-${fileCount}`));
    },
    load: (name, files, pace, url) =>
      progress.step(`  ${name}`, async () => {
        const result = { ...(await unmeasured(files, pace, url)), name };
        measured.loads.push(result);
        return { ...result, detail: describeLoad(result) };
      }),
  };
}

function describeLoad({ perSecond, latencyMs, unexpected, dropped }: LoadResult): string {
  const others = Object.entries(unexpected).map(([status, count]) => `, ${count} × ${status}`);
  const late = dropped > 0 ? `, ${dropped} dropped` : "";
  const { p50, p99 } = latencyMs;
  const latency = `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
  return `${Math.round(perSecond)}/s, ${latency}${others.join("")}${late}`;
}
