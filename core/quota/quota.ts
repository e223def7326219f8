import type { WindowKind } from "./windows.ts";

export interface WindowLimit {
  /** null: no limit. */
  requests: number | null;
  tokens: number | null;
}

export interface QuotaLimits {
  windows: Record<WindowKind, WindowLimit>;
  /** Executions that may fail in a window until the user is refused for the rest of it; null: no limit. */
  failedExecutions: Record<WindowKind, number | null>;
  /** How many requests of the user may be open at once; null: no limit. */
  concurrentRequests: number | null;
}

export interface Consumption {
  requests: number;
  tokens: number;
}

/** One window of a user at one instant: `remaining = limit - used`, negative when in debt. */
export interface WindowUse {
  limit: WindowLimit;
  used: Consumption;
}

/** Executions that failed, in one window. */
export interface FailureUse {
  /** null: no limit. */
  limit: number | null;
  used: number;
}

/** With the part of `used` that is held for open requests. */
export interface WindowSnapshot extends WindowUse {
  held: Consumption;
}

/** Everything that decides an admission. */
export interface QuotaUse {
  /** Redis time of the reading, Unix milliseconds. */
  atMs: number;
  /** UTC day of the reading, `YYYY-MM-DD`: names the daily and the monthly window. */
  day: string;
  windows: Record<WindowKind, WindowUse>;
  openRequests: number;
  concurrentRequests: number | null;
  /** An admission tells of them only if they refuse it, and then of the window that does so longest. */
  failedExecutions: Partial<Record<WindowKind, FailureUse>>;
}

export interface QuotaSnapshot extends QuotaUse {
  windows: Record<WindowKind, WindowSnapshot>;
  failedExecutions: Record<WindowKind, FailureUse>;
}

/** An amount held for one request in the windows of `day` (guarantee I4: it ends when the request ends). */
export interface Hold {
  userId: string;
  requestId: string;
  /** UTC day of the windows that it was taken from. */
  day: string;
  tokens: number;
}

/** A hold and its age. */
export interface AgedHold extends Hold {
  /**
   * Since it was taken or last restored from PostgreSQL, milliseconds by the clock of Redis, or somewhat
   * less.
   */
  heldForMs: number;
}

/**
 * `held`: the hold is there. `gone`: Redis has known the user without a gap since before the request was
 * made, and the hold is not there: it was settled or released. `unknown`: anything else (user not loaded,
 * Redis restarted or flushed since), so nothing can be concluded.
 */
export type HoldFate = "held" | "gone" | "unknown";

/** Asks to hold 1 request and `tokens` in every window of the user, all or nothing. */
export interface Admission {
  userId: string;
  requestId: string;
  tokens: number;
}

/**
 * Reply to one atomic admission. `unknown`: Redis does not know this user (first use, restart, flush): the
 * windows must be rebuilt from PostgreSQL before the user is admitted.
 */
export type AdmitReply =
  | { kind: "admitted"; snapshot: QuotaUse }
  | { kind: "refused"; snapshot: QuotaUse }
  | { kind: "unknown" };

/**
 * Asks to replace a hold by what was really used. `billedTokens` null releases it: nothing was executed,
 * nothing is charged. 0 gives back the tokens and leaves the request counted.
 */
export interface Settlement {
  userId: string;
  requestId: string;
  billedTokens: number | null;
  /** Executions of the request that failed; 0 with a release. */
  failedExecutions: number;
  /**
   * True when the caller knows that nobody settled this hold before. If it is absent nevertheless, Redis has
   * lost something of the user: it forgets the user, who is rebuilt from PostgreSQL before being admitted
   * again (at once, but not more often than every two seconds).
   */
  expectHold: boolean;
}

/**
 * `settled`: the hold was replaced now. `absent`: there was no hold (already settled, or Redis lost it).
 * `broken`: something that is not ours is stored under the user's keys, so the whole user was forgotten, to
 * be rebuilt from PostgreSQL before the next use. `away`: the part of a Redis Cluster that has the user does
 * not answer, while others do; the keeper settles the hold when it is back.
 */
export type SettleReply = "settled" | "absent" | "broken" | "away";

/**
 * What PostgreSQL knows of a user, read in one snapshot: enough to rebuild everything that Redis knows of the
 * user.
 */
export interface QuotaTruth {
  limits: QuotaLimits;
  /** Ledger sums of the windows still open, from the first of the current month on. */
  days: LedgerDay[];
  /** Requests without a terminal state, whatever their day. */
  holds: Hold[];
  /**
   * Of the requests asked about (`LoadTicket`) those that PostgreSQL has no row of: accepts between their
   * hold and their commit, whose holds must outlive the load. Absent: nobody looked for them, and such holds
   * are found missing when they are settled.
   */
  unstored?: string[];
}

/** What the ledger has of a user on one UTC day. */
export interface LedgerDay extends Consumption {
  day: string;
  failedExecutions: number;
}

/**
 * Permission to load one user, from `beginLoad`. PostgreSQL must be read after it was given; it is valid for
 * a minute.
 */
export interface LoadTicket {
  /** The Redis process that gave it. */
  instance: string;
  nonce: string;
  /** Requests whose holds were taken lately: PostgreSQL may not know them yet. */
  recentRequestIds: string[];
}

/**
 * `already`: somebody else loaded the user; `superseded`: the truth was read too early or too late, so begin
 * again.
 */
export type LoadReply = "loaded" | "already" | "superseded";
