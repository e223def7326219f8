import { hostname } from "node:os";

import { findKeys } from "../../adapters/postgres/api-keys.ts";
import { claimCall, isCallHeld, letGoCall } from "../../adapters/postgres/calls.ts";
import type { Database } from "../../adapters/postgres/connect.ts";
import { readKeyChanges } from "../../adapters/postgres/key-changes.ts";
import { isDataFault } from "../../adapters/postgres/errors.ts";
import { findRequests, listRequests, readQueued } from "../../adapters/postgres/find-requests.ts";
import { finishRequests } from "../../adapters/postgres/finish-requests.ts";
import {
  discardRequests,
  findReplay,
  insertRequests,
} from "../../adapters/postgres/insert-requests.ts";
import { usage } from "../../adapters/postgres/ledger.ts";
import { waitingByModel } from "../../adapters/postgres/open-requests.ts";
import { deleteParked } from "../../adapters/postgres/parked.ts";
import { parkedPlaces, parkedWork } from "../../adapters/postgres/parked-places.ts";
import { notePublisher } from "../../adapters/postgres/publishers.ts";
import type { RedisConnection } from "../../adapters/redis/connection.ts";
import type { Sealer } from "../../adapters/crypto/envelope.ts";
import { createDeltaStreams } from "../../adapters/redis/delta-streams.ts";
import { createKeyCache } from "../../adapters/redis/key-cache.ts";
import { createLanes } from "../../adapters/redis/lanes.ts";
import { createModelHealthStore } from "../../adapters/redis/model-health.ts";
import { createRequestHints } from "../../adapters/redis/request-hints.ts";
import type { Signals } from "../../adapters/redis/signals.ts";
import { KeyRecord } from "../../core/key-record.ts";
import type { GatewayPorts } from "../ports.ts";

type DatabasePorts = Pick<
  GatewayPorts,
  | "publisherId"
  | "readStoredKeys"
  | "readKeyChanges"
  | "findReplay"
  | "claimCall"
  | "letGoCall"
  | "isCallHeld"
  | "insertRequests"
  | "isDataFault"
  | "discardRequests"
  | "readQueued"
  | "findRequests"
  | "listRequests"
  | "finishRequests"
  | "readUsage"
  | "waitingByModel"
  | "parkedPlaces"
  | "parkedWork"
  | "deleteParked"
  | "notePublisher"
>;

/** What a gateway reads and writes in PostgreSQL, where it is known by `publisherId`. */
export function databasePorts(database: Database, publisherId: string): DatabasePorts {
  return {
    publisherId,
    readStoredKeys: (keyHashes) => findKeys(database, keyHashes),
    readKeyChanges: (query) => readKeyChanges(database, query),
    findReplay: (lookup) => findReplay(database, lookup),
    claimCall: (claim) => claimCall(database, { ...claim, holder: publisherId }),
    letGoCall: (end) => letGoCall(database, { ...end, holder: publisherId }),
    isCallHeld: (lookup) => isCallHeld(database, lookup),
    insertRequests: (rows) => insertRequests(database, rows),
    isDataFault,
    discardRequests: (requestIds) => discardRequests(database, requestIds),
    readQueued: (requestIds) => readQueued(database, requestIds),
    findRequests: (lookups) => findRequests(database, lookups),
    listRequests: (query) => listRequests(database, query),
    finishRequests: (finishes) => finishRequests(database, finishes),
    readUsage: (query) => usage(database, query),
    waitingByModel: () => waitingByModel(database),
    parkedPlaces: (requestIds) => parkedPlaces(database, requestIds),
    parkedWork: (lines) => parkedWork(database, lines),
    deleteParked: (requestIds) => deleteParked(database, requestIds),
    notePublisher: (note) => notePublisher(database, { publisherId, host: hostname(), ...note }),
  };
}

type RedisPorts = Pick<
  GatewayPorts,
  | "readCachedKey"
  | "cacheKey"
  | "onKeyChange"
  | "readHints"
  | "readDeltas"
  | "readLanes"
  | "readHealth"
  | "readWorkers"
  | "announceParked"
  | "markCancelled"
  | "announceCancel"
  | "announceFinished"
  | "announceBroken"
  | "onBroken"
  | "onFinished"
  | "onResubscribed"
>;

/** What a gateway keeps in Redis and hears through it, quotas aside. */
export function redisPorts(
  redis: RedisConnection,
  signals: Signals,
  sealer: Sealer,
  { hashKey, now, metrics, log }: Pick<GatewayPorts, "hashKey" | "now" | "metrics" | "log">,
): RedisPorts {
  const keyCache = createKeyCache(redis, KeyRecord, {
    hash: hashKey,
    now,
    onForged: () => {
      metrics.gateway_forged_key_records_total.add(1);
      log.warn({}, "a record of an API key in Redis is not ours: it is not believed");
    },
  });
  const hints = createRequestHints(redis);
  const lanes = createLanes(redis);
  return {
    readCachedKey: keyCache.get,
    cacheKey: keyCache.set,
    onKeyChange: signals.onKeyChange,
    readHints: hints.read,
    readDeltas: createDeltaStreams(redis, sealer).read,
    readLanes: lanes.readView,
    readHealth: createModelHealthStore(redis).read,
    readWorkers: lanes.readWorkers,
    announceParked: signals.announceParked,
    markCancelled: hints.markCancelled,
    announceCancel: signals.announceCancel,
    announceFinished: signals.announceFinished,
    announceBroken: signals.announceBroken,
    onBroken: signals.onBroken,
    onFinished: signals.onFinished,
    onResubscribed: signals.onResubscribed,
  };
}
