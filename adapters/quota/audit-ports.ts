import type {
  LedgerAnomaly,
  LedgerBooks,
  QuotaBooks,
  RequestCounts,
  SumAnomaly,
} from "../../core/audit/books.ts";
import { countRequests, ledgerAnomalies, readLedger, sumAnomalies } from "../postgres/audit.ts";
import type { Database } from "../postgres/connect.ts";
import { standings } from "../postgres/open-requests.ts";
import { listUsers } from "../postgres/users.ts";
import type { RedisConnection } from "../redis/connection.ts";
import { createHoldBooks } from "../redis/holds.ts";
import type { LiveQuota } from "./live-quota.ts";
import type { Page, RequestStanding } from "../../core/stored-request.ts";

/** What an audit reads and mends, for the keeper and for the command alike. All throw the faults of the store that does not answer. */
export interface AuditBooks {
  /** In the order of ids. */
  userIds: (after: string | null, limit: number) => Promise<Page<string>>;
  /** In order; undefined: Redis does not know the user; `broken`: it has something stored of the user that is not ours. */
  readBooks: (userIds: readonly string[]) => Promise<(QuotaBooks | "broken" | undefined)[]>;
  readLedger: (userIds: readonly string[]) => Promise<LedgerBooks[]>;
  countRequests: () => Promise<RequestCounts>;
  ledgerAnomalies: (limit: number) => Promise<LedgerAnomaly[]>;
  sumAnomalies: (limit: number) => Promise<SumAnomaly[]>;
  /** In order; undefined: not stored. */
  standings: (requestIds: readonly string[]) => Promise<(RequestStanding | undefined)[]>;
  /** Forgets the user in Redis and loads it from PostgreSQL; who asks in between waits for the same load. */
  rebuildUser: (userId: string) => Promise<void>;
}

export function createAuditPorts(
  database: Database,
  redis: RedisConnection,
  quota: LiveQuota,
): AuditBooks {
  return {
    userIds: async (after, limit) => {
      const { items, next } = await listUsers(database, after, limit);
      return { items: items.map(({ userId }) => userId), next };
    },
    readBooks: createHoldBooks(redis).readBooks,
    readLedger: (userIds) => readLedger(database, userIds),
    countRequests: () => countRequests(database),
    ledgerAnomalies: (limit) => ledgerAnomalies(database, limit),
    sumAnomalies: (limit) => sumAnomalies(database, limit),
    standings: (requestIds) => standings(database, requestIds),
    rebuildUser: async (userId) => {
      await quota.store.forget(userId);
      await quota.gate.readOrRebuild(userId);
    },
  };
}
