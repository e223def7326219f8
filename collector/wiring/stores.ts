import type { Database } from "../../adapters/postgres/connect.ts";
import { deleteIdempotencyKeysBefore } from "../../adapters/postgres/insert-requests.ts";
import { overdueRequests, queuedBefore } from "../../adapters/postgres/open-requests.ts";
import {
  dropPartitionsBefore,
  ensurePartitions,
  PARTITION_DAYS_AHEAD,
} from "../../adapters/postgres/partitions.ts";
import {
  deletePublishersBefore,
  noteRelayed,
  outboxDepth,
  outboxOfDeadPublishers,
  publisherDone,
} from "../../adapters/postgres/publishers.ts";
import type { LiveQuota } from "../../adapters/quota/live-quota.ts";
import { createAppliedTiers } from "../../adapters/redis/applied-tiers.ts";
import type { RedisConnection } from "../../adapters/redis/connection.ts";
import { createHoldBooks } from "../../adapters/redis/holds.ts";
import { createRequestHints } from "../../adapters/redis/request-hints.ts";
import { judgeMark, longestAttemptMs } from "../../core/attempt/mark.ts";
import { canonicalJson } from "../../core/canonical-json.ts";
import type { Config } from "../../core/config/schema.ts";
import type {
  ExpirePorts,
  GaugePorts,
  LimitsPorts,
  OrphanPorts,
  RelayPorts,
  RepublishPorts,
  RetentionPorts,
} from "../ports.ts";

/** What the keeper's duties read and write in PostgreSQL. */
export function databasePorts(
  database: Database,
): Pick<RelayPorts, "outboxOfDeadPublishers" | "noteRelayed" | "publisherDone"> &
  Pick<RepublishPorts, "queuedBefore"> &
  Pick<ExpirePorts, "overdueRequests"> &
  Pick<GaugePorts, "outboxDepth"> &
  RetentionPorts {
  return {
    outboxOfDeadPublishers: (silentMs, limit) => outboxOfDeadPublishers(database, silentMs, limit),
    noteRelayed: (publisherId, throughId, silentMs) =>
      noteRelayed(database, publisherId, throughId, silentMs),
    publisherDone: (publisherId, silentMs) => publisherDone(database, publisherId, silentMs),
    outboxDepth: () => outboxDepth(database),
    queuedBefore: (createdBeforeMs, afterId, limit) =>
      queuedBefore(database, createdBeforeMs, afterId, limit),
    overdueRequests: (afterId, limit) => overdueRequests(database, afterId, limit),
    ensurePartitions: async () => void (await ensurePartitions(database, PARTITION_DAYS_AHEAD)),
    dropPartitionsBefore: (createdBeforeMs) => dropPartitionsBefore(database, createdBeforeMs),
    deleteIdempotencyKeysBefore: (createdBeforeMs, limit) =>
      deleteIdempotencyKeysBefore(database, createdBeforeMs, limit),
    deletePublishersBefore: (seenBeforeMs) => deletePublishersBefore(database, seenBeforeMs),
  };
}

/** What the keeper's duties read and write in Redis. */
export function redisPorts(
  redis: RedisConnection,
  { store }: LiveQuota,
  config: () => Config,
): Pick<RelayPorts, "holdFates"> &
  Pick<OrphanPorts, "scanHolds"> &
  Pick<RepublishPorts, "attemptMarks" | "delayedUntil"> &
  Omit<LimitsPorts, "userIds"> {
  const { holdFates, scanHolds } = createHoldBooks(redis);
  const hints = createRequestHints(redis);
  const applied = createAppliedTiers(redis);
  return {
    holdFates,
    scanHolds,
    attemptMarks: async (requests) => {
      const attemptMaxMs = longestAttemptMs(config());
      const [starts, attemptsMade] = await Promise.all([
        hints.readStarted(requests),
        hints.readAttemptsMade(requests),
      ]);
      const nowMs = Date.now();
      return starts.map((started, index) =>
        judgeMark({ started, attemptsMade: attemptsMade[index] ?? 0 }, attemptMaxMs, nowMs),
      );
    },
    delayedUntil: hints.readDelayedUntil,
    tiers: () => tiersText(config()),
    appliedTiers: applied.read,
    noteAppliedTiers: applied.note,
    forgetUsers: async (userIds) => void (await Promise.all(userIds.map(store.forget))),
  };
}

/** Short, and equal for equal tiers. */
function tiersText({ tiers, default_tier }: Config): string {
  return new Bun.CryptoHasher("sha256")
    .update(canonicalJson({ tiers, default_tier }))
    .digest("hex");
}
