import { createIdSource } from "../../adapters/ids/id-source.ts";
import { connectPostgres, type Database } from "../../adapters/postgres/connect.ts";
import { finishRequests } from "../../adapters/postgres/finish-requests.ts";
import { insertRequests } from "../../adapters/postgres/insert-requests.ts";
import { prepareDatabase } from "../../adapters/postgres/prepare.ts";
import { quotaTruth } from "../../adapters/postgres/quotas.ts";
import { dayOf } from "../../core/quota/windows.ts";
import type { Finish } from "../../core/request/finish.ts";
import type { NewRequest } from "../../core/request/stored-request.ts";
import { createDatabaseOn } from "../../local/stack/own-database.ts";
import { measureAll, type Micro, requireServer } from "./measure.ts";

// What is measured stands in a database of its own on that server, dropped afterwards.
const scratch = await createDatabaseOn(requireServer("DATABASE_URL"));
await prepareDatabase(scratch.url);
const limits = { statementTimeoutMs: 30_000, deadlineMs: 35_000 };
const options = { url: scratch.url, name: "tollgate-micro", ...limits };
/** One connection for statements planned once, one for the others. */
const database = connectPostgres({ ...options, poolMax: 2 });
/** A single connection plans everything each time. */
const planningEach = connectPostgres({ ...options, poolMax: 1 });

const LIFE_MS = 86_400_000;
const RESULT_BYTES = 400;
const newId = createIdSource();
const publisherId = crypto.randomUUID();
const userIds = Array.from({ length: 200 }, () => crypto.randomUUID());
const randomBytes = (count: number) => crypto.getRandomValues(new Uint8Array(count));

function rowOf(bytes: number): NewRequest {
  const createdAtMs = Date.now();
  const expiresAtMs = createdAtMs + LIFE_MS;
  const userId = userIds[Math.floor(Math.random() * userIds.length)] ?? "";
  const times = { createdAtMs, expiresAtMs, windowDay: dayOf(createdAtMs) };
  return {
    head: { requestId: newId(createdAtMs), userId, model: "micro", estimatedTokens: 90, ...times },
    publisherId,
    prompt: randomBytes(bytes),
    metadata: null,
    acceptUntilMs: expiresAtMs,
    idempotency: null,
    parked: null,
  };
}

const finishOf = ({ head }: NewRequest): Finish => ({
  requestId: head.requestId,
  state: "completed",
  attempts: 1,
  startedAtMs: Date.now(),
  completedAtMs: Date.now(),
  usage: { promptTokens: 30, completionTokens: 64, source: "reported" },
  error: null,
  result: randomBytes(RESULT_BYTES),
});

const batchOf = (rows: number, bytes: number): NewRequest[] =>
  Array.from({ length: rows }, () => rowOf(bytes));

const inserting = (rows: number, bytes: number): Micro => [
  `insert ${rows} rows of ${bytes} bytes`,
  () => insertRequests(database, batchOf(rows, bytes)),
];

async function insertAndFinish(): Promise<void> {
  const batch = batchOf(20, 500);
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
    ["insert and finish 20 rows of 500 bytes", insertAndFinish],
  ]);
} finally {
  await Promise.all([database.close(), planningEach.close()]);
  await scratch.drop();
}
process.exit(0);
