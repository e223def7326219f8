import type { Progress } from "../../adapters/terminal/progress.ts";
import type { Outcome } from "../figures.ts";
import type { BenchServers } from "../stack/servers.ts";
import type { ToolName } from "../tools/plan-tools.ts";
import type { Tools } from "../tools/tools.ts";

/** What every scenario of one run shares. */
export interface BenchContext {
  servers: BenchServers;
  tools: Tools;
  progress: Progress;
  /** Shorter and fewer measurements. */
  isQuick: boolean;
  /** Gateways on one port, and workers, of the stacks whose scenario does not say. */
  gateways: number;
  workers: number;
  /** For files of this run. */
  folder: string;
  /** Where this scenario's CPU profiles go; undefined: none are taken. */
  profileFolder: string | undefined;
}

/** What a scenario answers; `run.ts` adds its name and its time. */
export type Measured = Omit<Outcome, "scenario" | "about" | "seconds">;

export interface Scenario {
  name: string;
  about: string;
  /** Part of `--quick`. */
  inQuick: boolean;
  /** Only with the flag of this name, and then without the others. */
  onlyWith?: "soak" | "growth";
  /** What it measures with, besides the servers and our own generator. */
  needs?: readonly ToolName[];
  run: (context: BenchContext) => Promise<Measured>;
}
