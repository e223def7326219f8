import type { Database } from "../../adapters/postgres/connect.ts";
import { isDataFault } from "../../adapters/postgres/errors.ts";
import { finishRequests } from "../../adapters/postgres/finish-requests.ts";
import { deleteIdempotencyKeysBefore } from "../../adapters/postgres/insert-requests.ts";
import { overdueRequests, queuedBefore } from "../../adapters/postgres/open-requests.ts";
import {
  deleteStraysBefore,
  dropPartition,
  ensurePartitions,
  PARTITION_DAYS_AHEAD,
  partitionsBefore,
} from "../../adapters/postgres/partitions.ts";
import {
  countParked,
  deleteParked,
  endsOf,
  overdueRetries,
  parkRequests,
  readParked,
  tiersOf,
} from "../../adapters/postgres/parked.ts";
import { nextParked, waitingTurns } from "../../adapters/postgres/parked-turns.ts";
import { readModelPauses } from "../../adapters/postgres/model-pauses.ts";
import {
  countLivePublishers,
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
import { createLanes } from "../../adapters/redis/lanes.ts";
import { createModelHealthStore } from "../../adapters/redis/model-health.ts";
import { createRequestHints } from "../../adapters/redis/request-hints.ts";
import type { Signals } from "../../adapters/redis/signals.ts";
import { judgeMark, longestAttemptMs } from "../../core/attempt/mark.ts";
import { canonicalJson } from "../../core/json/canonical-json.ts";
import type { Config } from "../../core/config/schema.ts";
import type { ModelGaugePorts } from "../model-gauges.ts";
import type {
  DispatchPorts,
  ExpirePorts,
  FinishPorts,
  GaugePorts,
  LimitsPorts,
  OrphanPorts,
  RelayPorts,
  RepublishPorts,
  RetentionPorts,
} from "../ports.ts";

/** A gateway notes something once a second at least. */
const GATEWAY_SILENT_MS = 5_000;

/** What ends requests, in PostgreSQL and Redis. */
export const finishPorts = (
  database: Database,
  { store }: LiveQuota,
  { announceFinished }: Pick<Signals, "announceFinished">,
): FinishPorts => ({
  finishRequests: (finishes) => finishRequests(database, finishes),
  isDataFault,
  settle: store.settle,
  announceFinished,
});

/** What the keeper's duties read and write in PostgreSQL. */
export function databasePorts(
  database: Database,
): Pick<RelayPorts, "outboxOfDeadPublishers" | "noteRelayed" | "publisherDone"> &
  Pick<RepublishPorts, "queuedBefore"> &
  Pick<ExpirePorts, "overdueRequests" | "overdueRetries"> &
  Pick<
    DispatchPorts,
    | "parkRequests"
    | "waitingTurns"
    | "nextParked"
    | "readParked"
    | "deleteParked"
    | "countParked"
    | "endsOf"
    | "tiersOf"
    | "operatorPauses"
    | "countGateways"
  > &
  Pick<GaugePorts, "outboxDepth"> &
  RetentionPorts {
  return {
    outboxOfDeadPublishers: (silentMs, limit) => outboxOfDeadPublishers(database, silentMs, limit),
    noteRelayed: (publisherId, throughId, silentMs) =>
      noteRelayed(database, publisherId, throughId, silentMs),
    publisherDone: (publisherId, silentMs) => publisherDone(database, publisherId, silentMs),
    outboxDepth: () => outboxDepth(database),
    queuedBefore: (createdBeforeMs, models, afterId, limit) =>
      queuedBefore(database, createdBeforeMs, models, afterId, limit),
    overdueRequests: (afterId, limit) => overdueRequests(database, afterId, limit),
    overdueRetries: (limit) => overdueRetries(database, limit),
    parkRequests: (requests) => parkRequests(database, requests),
    waitingTurns: (after, limit) => waitingTurns(database, after, limit),
    nextParked: (turns, counts) => nextParked(database, turns, counts),
    readParked: (requestIds) => readParked(database, requestIds),
    deleteParked: (requestIds) => deleteParked(database, requestIds),
    countParked: () => countParked(database),
    endsOf: (requestIds) => endsOf(database, requestIds),
    tiersOf: (userIds) => tiersOf(database, userIds),
    operatorPauses: () => readModelPauses(database),
    countGateways: () => countLivePublishers(database, GATEWAY_SILENT_MS),
    ensurePartitions: async () => void (await ensurePartitions(database, PARTITION_DAYS_AHEAD)),
    partitionsBefore: (createdBeforeMs) => partitionsBefore(database, createdBeforeMs),
    dropPartition: (day) => dropPartition(database, day),
    deleteStraysBefore: (createdBeforeMs) => deleteStraysBefore(database, createdBeforeMs),
    deleteIdempotencyKeysBefore: (createdBeforeMs, limit) =>
      deleteIdempotencyKeysBefore(database, createdBeforeMs, limit),
    deletePublishersBefore: (seenBeforeMs) => deletePublishersBefore(database, seenBeforeMs),
  };
}

/** What the keeper's duties read and write in Redis, and the gauges of models. */
export function redisPorts(
  redis: RedisConnection,
  { store }: LiveQuota,
  config: () => Config,
): Pick<RelayPorts, "holdFates"> &
  Pick<OrphanPorts, "scanHolds"> &
  Pick<RepublishPorts, "attemptMarks" | "delayedUntil"> &
  Pick<DispatchPorts, "healthOf" | "readWorkers" | "writeView"> &
  ModelGaugePorts &
  Omit<LimitsPorts, "userIds" | "storeTiers"> {
  const { holdFates, scanHolds } = createHoldBooks(redis);
  const hints = createRequestHints(redis);
  const applied = createAppliedTiers(redis);
  const lanes = createLanes(redis);
  return {
    holdFates,
    scanHolds,
    healthOf: createModelHealthStore(redis).read,
    readWorkers: lanes.readWorkers,
    writeView: lanes.writeView,
    readView: lanes.readView,
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
