import type { WindowKind } from "../quota/windows.ts";

/** One place where the books do not agree. */
export type Difference = UserDifference | SystemDifference;

/** Between Redis and PostgreSQL, about one user; mended by forgetting the user in Redis and rebuilding. */
export type UserDifference = HoldDifference | WindowDifference | BrokenBooks;

/** Something that is not ours is stored under the user's keys in Redis, so that nothing can be compared. */
export interface BrokenBooks {
  kind: "books_broken";
  userId: string;
}

export type HoldDifference =
  /** Redis has a hold for a request that is not open. */
  | { kind: "hold_without_request"; userId: string; requestId: string; tokens: number }
  /** A request is open and Redis has no hold for it. */
  | { kind: "request_without_hold"; userId: string; requestId: string; tokens: number }
  /** The hold has another amount or other windows than the request asks for. */
  | { kind: "hold_differs"; userId: string; requestId: string; redis: string; postgres: string };

/** A sum of one window. `used`: ledger + open holds; `held`: open holds alone. */
export interface WindowDifference {
  kind: "used_differs" | "held_differs";
  userId: string;
  window: WindowKind;
  windowId: string;
  unit: "requests" | "tokens" | "failed_executions";
  redis: number;
  postgres: number;
}

/** Within PostgreSQL, or between it and the queues; nothing mends these automatically. */
export type SystemDifference =
  | { kind: "ledger_duplicate"; requestId: string; rows: number }
  /** Billed although nothing was executed. */
  | { kind: "ledger_unexecuted"; requestId: string; state: string }
  /** There is a ledger row, or none, against the request; or its amount, user or day is not the request's. */
  | { kind: "ledger_differs"; requestId: string; state: string; rows: number }
  /** Executed, and the ledger does not know of it. */
  | { kind: "ledger_missing"; requestId: string; state: string }
  /** The sum of a user's day, from which windows are rebuilt, is not that of the ledger. */
  | {
      kind: "ledger_sum_differs";
      userId: string;
      day: string;
      unit: "requests" | "tokens" | "failed_requests" | "failed_executions";
      ledger: number;
      sum: number;
    }
  | { kind: "requests_unaccounted"; accepted: number; terminal: number; open: number }
  /** A queue has a message of a request that PostgreSQL does not know. */
  | { kind: "message_unknown"; queue: string; requestId: string };

export function isWindowDifference(difference: Difference): difference is WindowDifference {
  return difference.kind === "used_differs" || difference.kind === "held_differs";
}

/**
 * Tokens by which Redis is wrong, as a sum of absolute amounts over users; of one user's windows the largest
 * counts, because a day's error is also in its month.
 */
export function driftTokens(differences: readonly Difference[]): number {
  const byUser = new Map<string, number>();
  for (const difference of differences) {
    if (difference.kind !== "used_differs" || difference.unit !== "tokens") continue;
    const drift = Math.abs(difference.redis - difference.postgres);
    byUser.set(difference.userId, Math.max(byUser.get(difference.userId) ?? 0, drift));
  }
  let sum = 0;
  for (const drift of byUser.values()) sum += drift;
  return sum;
}
