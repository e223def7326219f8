import type { Database } from "../../adapters/postgres/connect.ts";
import { standings } from "../../adapters/postgres/open-requests.ts";
import { ensurePartitions } from "../../adapters/postgres/partitions.ts";
import { notePublisher } from "../../adapters/postgres/publishers.ts";
import { databasePorts as keeperPorts } from "../../collector/wiring/stores.ts";
import { databasePorts as gatewayPorts } from "../../gateway/wiring/stores.ts";
import type { RequestStore } from "../support/fakes/request-store.ts";
import { createProxiedDatabase } from "../support/postgres.ts";
import { describeRequestStoreContract } from "./request-store.ts";

/** The store as the services wire it. */
const storeOn = (database: Database): RequestStore => ({
  ...gatewayPorts(database, crypto.randomUUID()),
  ...keeperPorts(database),
  standings: (ids) => standings(database, ids),
  // A gateway notes for itself only.
  notePublisher: (note) => notePublisher(database, note),
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
