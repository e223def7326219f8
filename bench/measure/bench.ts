import type { Progress } from "../../adapters/terminal/progress.ts";
import type { Measured, Table } from "../figures.ts";
import type { BenchServers } from "../machine/servers.ts";
import { type TargetId, TARGETS } from "../targets.ts";
import type { ToolName, Tools } from "../tools/tools.ts";

/** What the scenarios of one run share. */
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

/** What a scenario measures with, and where it writes down what it found. */
export interface Bench extends BenchContext {
  measured: Measured;
  /** Notes a row of the design's numbers. */
  row: (id: TargetId, value: number) => void;
  figure: (what: string, unit: string, value: number) => void;
  table: (table: Table) => void;
  note: (text: string) => void;
  /** Fails the run, whatever the figures say. */
  fail: (text: string) => void;
}

/** What is offered on which stack, and which rows it yields. */
export interface Scenario {
  name: string;
  about: string;
  /** `quick` ones are in full runs as well; those of a flag run only with it. */
  part: "quick" | "full" | "soak" | "growth";
  /** What it measures with, besides the servers and our own generator. */
  needs?: readonly ToolName[];
  /** The rows of the design's numbers that it yields. */
  rows?: readonly TargetId[];
  run: (bench: Bench) => Promise<void>;
}

export const openBench = (context: BenchContext, measured: Measured): Bench => ({
  ...context,
  measured,
  row: (target, value) => {
    const { what, unit } = TARGETS[target];
    measured.figures.push({ target, what, unit, value });
  },
  figure: (what, unit, value) => void measured.figures.push({ what, unit, value }),
  table: (table) => void measured.tables.push(table),
  note: (text) => void measured.notes.push(text),
  fail: (text) => void measured.failures.push(text),
});
