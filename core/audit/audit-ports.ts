import type { Page, RequestStanding } from "../request/stored-request.ts";
import type { UserDifference } from "./difference.ts";
import type { LedgerAnomaly, LedgerBooks, QuotaBooks, RequestCounts, SumAnomaly } from "./books.ts";

/**
 * What an audit reads and mends, for the keeper and for the command alike. Each reading is of one instant,
 * but those of Redis and PostgreSQL are of different ones. All throw the fault of the store that does not
 * answer.
 */
export interface AuditPorts {
  /** Ids of all users, in their order. */
  userIds: (after: string | null, limit: number) => Promise<Page<string>>;
  /**
   * In order. undefined: Redis does not know the user and will rebuild it, so there is nothing to compare.
   * `broken`: something that is not ours is stored under the user's keys.
   */
  readBooks: (userIds: readonly string[]) => Promise<(QuotaBooks | "broken" | undefined)[]>;
  /** In order. */
  readLedger: (userIds: readonly string[]) => Promise<LedgerBooks[]>;
  countRequests: () => Promise<RequestCounts>;
  /** Requests whose ledger rows are not what their state and usage say, at most `limit`. */
  ledgerAnomalies: (limit: number) => Promise<LedgerAnomaly[]>;
  /** Days of users whose kept sum is not that of the ledger, at most `limit`. */
  sumAnomalies: (limit: number) => Promise<SumAnomaly[]>;
  /** In order; undefined: PostgreSQL has no such request. */
  standings: (requestIds: readonly string[]) => Promise<(RequestStanding | undefined)[]>;
  /** Ids of the messages ready in the queues, at most `limit`; absent: the queues are not looked into. */
  browseQueues?: (limit: number) => Promise<{ queue: string; requestId: string }[]>;
  /**
   * Forgets the user, who differs in this, in Redis and loads it from PostgreSQL; who asks in between waits
   * for the same load.
   */
  rebuildUser: (userId: string, differences: readonly UserDifference[]) => Promise<void>;
}
