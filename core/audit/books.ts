import type { Consumption, Hold, QuotaTruth } from "../quota/quota.ts";
import type { DurableState } from "../request/request.ts";
import type { WindowKind } from "../quota/windows.ts";

/** What Redis counts for one user at one instant. `used` includes `held`, as in a `WindowSnapshot`. */
export interface QuotaBooks {
  /** UTC day of the reading, `YYYY-MM-DD`: names the daily and the monthly window. */
  day: string;
  windows: Record<WindowKind, { used: Consumption; held: Consumption }>;
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
  /** Attempts made. */
  attempts: number;
  /** Ledger rows of the request. */
  rows: number;
}

/** A day of a user whose sum, as it is kept beside the ledger, is not that of the ledger. */
export interface SumAnomaly {
  userId: string;
  day: string;
  ledger: Consumption;
  sums: Consumption;
}
