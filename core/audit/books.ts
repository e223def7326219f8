import type { Consumption, Hold, QuotaTruth } from "../quota/quota.ts";
import type { DurableState } from "../request/request.ts";
import type { WindowKind } from "../quota/windows.ts";

/** What Redis counts for one user at one instant. `used` includes `held`, as in a `WindowSnapshot`. */
export interface QuotaBooks {
  /** UTC day of the reading, `YYYY-MM-DD`: names the daily and the monthly window. */
  day: string;
  windows: Record<WindowKind, { used: Consumption; held: Consumption }>;
  failedExecutions: Record<WindowKind, number>;
  /** Every hold of the user, those pinned to earlier windows included. */
  holds: Hold[];
}

/** What PostgreSQL knows of one user, read in one snapshot. */
export type LedgerBooks = Pick<QuotaTruth, "days" | "holds">;

/** All requests that PostgreSQL knows, read in one snapshot. */
export type RequestCounts = { accepted: number } & Record<DurableState, number>;

/** A request whose ledger rows do not fit its state and usage; `judgeLedger` says why. */
export interface LedgerAnomaly {
  requestId: string;
  state: DurableState;
  /** Executions; of a request that an earlier release ended, its attempts. */
  attempts: number;
  /** Ledger rows of the request. */
  rows: number;
}

/** A day of a user whose sum, as it is kept beside the ledger, is not that of the ledger. */
export interface SumAnomaly {
  userId: string;
  day: string;
  ledger: LedgerSums;
  sums: LedgerSums;
}

/** All rows of the ledger in a day of a user, and those of requests that were executed and failed. */
export interface LedgerSums extends Consumption {
  failedRequests: number;
  failedExecutions: number;
}
