import type { Progress } from "../../cli/progress.ts";
import type { Outcome } from "../figures.ts";
import type { Generators } from "../load/generators.ts";
import type { BenchServers } from "../stack/servers.ts";

/** What every scenario of one run shares. */
export interface BenchContext {
  servers: BenchServers;
  generators: Generators;
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
  /** Only with `--soak`, and then alone. */
  isSoak?: true;
  run: (context: BenchContext) => Promise<Measured>;
}
