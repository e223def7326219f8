import type { Database } from "../../adapters/postgres/connect.ts";
import { isDataFault } from "../../adapters/postgres/errors.ts";
import { findRequests, listRequests, readQueued } from "../../adapters/postgres/find-requests.ts";
import { finishRequests } from "../../adapters/postgres/finish-requests.ts";
import {
  deleteIdempotencyKeysBefore,
  discardRequests,
  findReplay,
  insertRequests,
} from "../../adapters/postgres/insert-requests.ts";
import { usage } from "../../adapters/postgres/ledger.ts";
import {
  overdueRequests,
  queuedBefore,
  standings,
  waitingByModel,
} from "../../adapters/postgres/open-requests.ts";
import { ensurePartitions } from "../../adapters/postgres/partitions.ts";
import {
  deletePublishersBefore,
  noteRelayed,
  notePublisher,
  outboxDepth,
  outboxOfDeadPublishers,
  publisherDone,
} from "../../adapters/postgres/publishers.ts";
import type { RequestStore } from "../support/fakes/request-store.ts";
import { createProxiedDatabase } from "../support/postgres.ts";
import { describeRequestStoreContract } from "./request-store.ts";

const storeOn = (database: Database): RequestStore => ({
  insertRequests: (rows) => insertRequests(database, rows),
  findReplay: (lookup) => findReplay(database, lookup),
  discardRequests: (ids) => discardRequests(database, ids),
  readQueued: (ids) => readQueued(database, ids),
  findRequests: (lookups) => findRequests(database, lookups),
  listRequests: (query) => listRequests(database, query),
  finishRequests: (finishes) => finishRequests(database, finishes),
  isDataFault,
  readUsage: (query) => usage(database, query),
  waitingByModel: () => waitingByModel(database),
  queuedBefore: (beforeMs, after, limit) => queuedBefore(database, beforeMs, after, limit),
  overdueRequests: (after, limit) => overdueRequests(database, after, limit),
  standings: (ids) => standings(database, ids),
  deleteIdempotencyKeysBefore: (beforeMs, limit) =>
    deleteIdempotencyKeysBefore(database, beforeMs, limit),
  notePublisher: (note) => notePublisher(database, note),
  outboxOfDeadPublishers: (silentMs, limit) => outboxOfDeadPublishers(database, silentMs, limit),
  noteRelayed: (publisherId, throughId, silentMs) =>
    noteRelayed(database, publisherId, throughId, silentMs),
  publisherDone: (publisherId, silentMs) => publisherDone(database, publisherId, silentMs),
  outboxDepth: () => outboxDepth(database),
  deletePublishersBefore: (beforeMs) => deletePublishersBefore(database, beforeMs),
});

describeRequestStoreContract("PostgreSQL", async () => {
  const { database, setAway, stop } = await createProxiedDatabase();
  // Three days of requests, so three partitions.
  await ensurePartitions(database, 1);
  return {
    store: storeOn(database),
    agePublisher: async (publisherId, ms) => {
      await database.run(
        "age",
        (sql) => sql`
          update publishers
          set seen_at = seen_at - make_interval(secs => ${ms / 1_000}::float8)
          where publisher_id = ${publisherId}`,
      );
    },
    setAway,
    stop,
  };
});
