import type { LoadResult } from "../../figures.ts";

/** What the paced generator reads from its standard input. */
export interface PacedJob {
  url: string;
  /** File of raw calls, sent in turn from `firstCall` on. */
  rawPath: string;
  firstCall: number;
  ratePerSecond: number;
  seconds: number;
  /** How long answers may come after the end. */
  graceSeconds: number;
  connections: number;
  /** Calls that are due but find no connection free; more are dropped. */
  waitingMax: number;
  expectStatus: number;
  bucketSeconds: number;
}

/** What it writes to its standard output. */
export type PacedReport = Pick<
  LoadResult,
  "seconds" | "expected" | "perSecond" | "unexpected" | "dropped" | "latencyMs" | "overTime"
>;
