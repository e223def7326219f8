import type { AuditPorts } from "../../core/audit/audit-ports.ts";
import { countRequests, ledgerAnomalies, readLedger, sumAnomalies } from "../postgres/audit.ts";
import type { Database } from "../postgres/connect.ts";
import { standings } from "../postgres/open-requests.ts";
import { listUsers } from "../postgres/users.ts";
import type { RedisConnection } from "../redis/connection.ts";
import { createHoldBooks } from "../redis/holds.ts";
import type { LiveQuota } from "./live-quota.ts";

/** What an audit reads on Redis and PostgreSQL; whoever has a broker adds the queues. */
export function createAuditPorts(
  database: Database,
  redis: RedisConnection,
  quota: LiveQuota,
): AuditPorts {
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
