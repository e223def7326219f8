import { connectPostgres, type Database } from "../../adapters/postgres/connect.ts";
import { finishRequests } from "../../adapters/postgres/finish-requests.ts";
import { insertRequests } from "../../adapters/postgres/insert-requests.ts";
import { prepareDatabase } from "../../adapters/postgres/prepare.ts";
import { quotaTruth } from "../../adapters/postgres/quotas.ts";
import type { Finish } from "../../core/request/finish.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";
import { dayOf } from "../../core/quota/windows.ts";
import { createDatabaseOn } from "../../local/stack/own-database.ts";
import { createIdSource } from "../../adapters/ids/id-source.ts";
import { measureAll, type Micro, requireServer } from "./measure.ts";

// What is measured stands in a database of its own on that server, dropped afterwards.
const server = requireServer("DATABASE_URL");
const scratch = await createDatabaseOn(server);
await prepareDatabase(scratch.url);
const options = {
  url: scratch.url,
  statementTimeoutMs: 30_000,
  deadlineMs: 35_000,
  name: "tollgate-micro",
};
/** One connection for statements planned once, one for the others. */
const database = connectPostgres({ ...options, poolMax: 2 });
/** A single connection plans everything each time. */
const planningEach = connectPostgres({ ...options, poolMax: 1 });

const LIFE_MS = 86_400_000;
const RESULT_BYTES = 400;
const newId = createIdSource();
const publisherId = crypto.randomUUID();
const userIds = Array.from({ length: 200 }, () => crypto.randomUUID());

function rowOf(bytes: number): NewRequest {
  const nowMs = Date.now();
  return {
    head: {
      requestId: newId(nowMs),
      userId: userIds[Math.floor(Math.random() * userIds.length)] ?? "",
      model: "micro",
      estimatedTokens: 90,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + LIFE_MS,
      windowDay: dayOf(nowMs),
    },
    publisherId,
    prompt: crypto.getRandomValues(new Uint8Array(bytes)),
    metadata: null,
    acceptUntilMs: nowMs + LIFE_MS,
    idempotency: null,
    priority: "normal",
    isParked: false,
  };
}

function finishOf({ head }: NewRequest): Finish {
  const nowMs = Date.now();
  return {
    requestId: head.requestId,
    state: "completed",
    attempts: 1,
    startedAtMs: nowMs,
    completedAtMs: nowMs,
    usage: { promptTokens: 30, completionTokens: 64, source: "reported" },
    error: null,
    result: crypto.getRandomValues(new Uint8Array(RESULT_BYTES)),
  };
}

const batchOf = (rows: number, bytes: number): NewRequest[] =>
  Array.from({ length: rows }, () => rowOf(bytes));

const inserting = (rows: number, bytes: number): Micro => [
  `insert ${rows} rows of ${bytes} bytes`,
  () => insertRequests(database, batchOf(rows, bytes)),
];

async function insertAndFinish(rows: number, bytes: number): Promise<void> {
  const batch = batchOf(rows, bytes);
  await insertRequests(database, batch);
  await finishRequests(database, batch.map(finishOf));
}

const loadingAUser = (how: string, by: Database): Micro => [
  `load a user, 38 partitions, ${how}`,
  (i) => quotaTruth(by, [userIds[i % userIds.length] ?? ""]),
];

try {
  await database.run(
    "add the partitions of a month",
    (sql) => sql`
      select ensure_request_partition((now() at time zone 'utc')::date - back)
      from generate_series(1, 29) as back`,
  );
  await measureAll([
    loadingAUser("planned once", database),
    loadingAUser("planned each time", planningEach),
    inserting(1, 500),
    inserting(20, 500),
    inserting(20, 2_200),
    inserting(20, 16_000),
    inserting(200, 500),
    ["insert and finish 20 rows of 500 bytes", () => insertAndFinish(20, 500)],
  ]);
} finally {
  await Promise.all([database.close(), planningEach.close()]);
  await scratch.drop();
}
process.exit(0);
