import { bytesArray, numberArray, packBytes, textArray } from "./arrays.ts";
import type { Database } from "./connect.ts";
import { priorityNumber } from "./request-rows.ts";
import type {
  Idempotency,
  InsertOutcome,
  NewRequest,
  Replay,
} from "../../core/request/stored-request.ts";

const NORMAL = priorityNumber("normal");
const STORED: InsertOutcome = { kind: "stored" };
const LATE: InsertOutcome = { kind: "late" };

/**
 * Stores a batch in one statement, all or nothing except for late rows and replays; returns the outcomes in
 * order. The batch travels as one message of twice the size of its content: bound its bytes as well as its
 * rows. The server's clock decides what is late, by a time that the gateway gives; so the gateway follows the
 * server's clock where the two differ (`createServerClock`).
 *
 * @throws {Fault} STORE_UNAVAILABLE with an unknown outcome: call `discardRequests` afterwards
 * @throws a data fault (`isDataFault`) when a row cannot be stored
 */
export function insertRequests(
  database: Database,
  rows: readonly NewRequest[],
): Promise<InsertOutcome[]> {
  return rows.some(needsMore) ? insertWithMore(database, rows) : insertPlain(database, rows);
}

const needsMore = ({ idempotency, isParked, priority }: NewRequest): boolean =>
  idempotency !== null || isParked || priority !== "normal";

async function insertPlain(
  database: Database,
  rows: readonly NewRequest[],
): Promise<InsertOutcome[]> {
  const { prompts, metadatas, ...columns } = columnsOf(rows);
  // No `returning`: nearly always all rows are stored, which their number tells.
  const { count } = await database.run(
    "insert requests",
    (sql) => sql`
      insert into requests (
        request_id, user_id, model, prompt, metadata, estimated_tokens, window_day, publisher_id,
        created_at, expires_at
      )
      select
        request_id, user_id, model,
        substring(prompts from prompt_first for prompt_length),
        substring(metadatas from metadata_first for metadata_length),
        estimated_tokens, window_day, publisher_id,
        to_timestamp(created_ms / 1000), to_timestamp(expires_ms / 1000)
      from
        (values (${prompts.bytes}::bytea, ${metadatas.bytes}::bytea)) as packed (prompts, metadatas),
        unnest(
          ${columns.requestId}::uuid[], ${columns.userId}::uuid[], ${columns.model}::text[],
          ${prompts.firsts}::integer[], ${prompts.lengths}::integer[],
          ${metadatas.firsts}::integer[], ${metadatas.lengths}::integer[],
          ${columns.estimatedTokens}::bigint[], ${columns.windowDay}::date[], ${columns.publisherId}::uuid[],
          ${columns.createdMs}::float8[], ${columns.expiresMs}::float8[], ${columns.acceptUntilMs}::float8[]
        ) as row (
          request_id, user_id, model, prompt_first, prompt_length, metadata_first, metadata_length,
          estimated_tokens, window_day, publisher_id, created_ms, expires_ms, accept_until_ms
        )
      where clock_timestamp() < to_timestamp(accept_until_ms / 1000)`,
    "once",
  );
  if (count === rows.length) return rows.map(() => STORED);
  const stored = await storedIds(database, columns.requestId);
  return rows.map((row) => (stored.has(row.head.requestId) ? STORED : LATE));
}

async function storedIds(database: Database, requestIds: string): Promise<Set<string>> {
  const rows = await database.run(
    "find stored requests",
    (sql) => sql<{ request_id: string }[]>`
      select request_id from requests where request_id = any(${requestIds}::uuid[])`,
  );
  return new Set(rows.map((row) => row.request_id));
}

/**
 * The keys are claimed first and in order, so that two gateways with the same keys wait for each other
 * instead of deadlocking; only a row whose key was claimed by this statement is stored. The statement waits
 * for a claim by another transaction, so that it is committed, but not in this statement's snapshot: the next
 * one reads it. What is parked gets its row in the same statement.
 */
async function insertWithMore(
  database: Database,
  rows: readonly NewRequest[],
): Promise<InsertOutcome[]> {
  const { prompts, metadatas, ...columns } = columnsOf(rows);
  const keyHash = bytesArray(rows.map((row) => row.idempotency?.keyHash ?? null));
  const fingerprint = bytesArray(rows.map((row) => row.idempotency?.fingerprint ?? null));
  const tries = numberArray(rows.map((row) => row.idempotency?.tries ?? null));
  const priority = numberArray(rows.map((row) => priorityNumber(row.priority)));
  const parkedAs = numberArray(
    rows.map((row) => (row.isParked ? priorityNumber(row.priority) : null)),
  );
  const stored = await database.run(
    "insert requests with keys or parked",
    (sql) => sql<{ request_id: string }[]>`
      with batch as materialized (
        select *
        from unnest(
          ${columns.requestId}::uuid[], ${columns.userId}::uuid[], ${columns.model}::text[],
          ${prompts.firsts}::integer[], ${prompts.lengths}::integer[],
          ${metadatas.firsts}::integer[], ${metadatas.lengths}::integer[],
          ${columns.estimatedTokens}::bigint[], ${columns.windowDay}::date[], ${columns.publisherId}::uuid[],
          ${columns.createdMs}::float8[], ${columns.expiresMs}::float8[], ${columns.acceptUntilMs}::float8[],
          ${keyHash}::bytea[], ${fingerprint}::bytea[], ${priority}::smallint[],
          ${parkedAs}::smallint[], ${tries}::smallint[]
        ) with ordinality as row (
          request_id, user_id, model, prompt_first, prompt_length, metadata_first, metadata_length,
          estimated_tokens, window_day, publisher_id, created_ms, expires_ms, accept_until_ms, key_hash,
          fingerprint, priority, parked_as, tries, position
        )
        where clock_timestamp() < to_timestamp(accept_until_ms / 1000)
      ),
      first_of_key as (
        select distinct on (user_id, key_hash)
          user_id, key_hash, fingerprint, request_id, tries,
          case when tries is not null then publisher_id end as held_by
        from batch
        where key_hash is not null
        order by user_id, key_hash, position
      ),
      claimed as (
        insert into idempotency_keys (user_id, key_hash, fingerprint, request_id, tries, held_by)
        select user_id, key_hash, fingerprint, request_id, tries, held_by
        from first_of_key
        order by user_id, key_hash
        on conflict (user_id, key_hash) do nothing
        returning request_id
      ),
      parking as (
        insert into parked (request_id, model, user_id, priority, expires_at, estimated_tokens)
        select request_id, model, user_id, parked_as, to_timestamp(expires_ms / 1000), estimated_tokens
        from batch
        where parked_as is not null
          and (key_hash is null or request_id in (select request_id from claimed))
      )
      insert into requests (
        request_id, user_id, model, prompt, metadata, estimated_tokens, window_day, publisher_id,
        created_at, expires_at, priority
      )
      select
        request_id, user_id, model,
        substring(prompts from prompt_first for prompt_length),
        substring(metadatas from metadata_first for metadata_length),
        estimated_tokens, window_day, publisher_id,
        to_timestamp(created_ms / 1000), to_timestamp(expires_ms / 1000), nullif(priority, ${NORMAL})
      from
        (values (${prompts.bytes}::bytea, ${metadatas.bytes}::bytea)) as packed (prompts, metadatas),
        batch
      where key_hash is null or request_id in (select request_id from claimed)
      returning request_id`,
  );
  const ids = new Set(stored.map((row) => row.request_id));
  const missing = rows.filter((row) => !ids.has(row.head.requestId));
  const replays = missing.length > 0 ? await findReplays(database, missing) : [];
  const replayOf = new Map(missing.map((row, index) => [row, replays[index]]));
  return rows.map((row) => {
    if (ids.has(row.head.requestId)) return STORED;
    const replay = replayOf.get(row);
    return replay === undefined ? LATE : { kind: "replay", ...replay };
  });
}

async function findReplays(
  database: Database,
  rows: readonly NewRequest[],
): Promise<(Replay | undefined)[]> {
  const found = await database.run(
    "find idempotency keys",
    (sql) => sql<{ position: number; request_id: string; same_body: boolean }[]>`
      select asked.position, k.request_id, k.fingerprint = asked.fingerprint as same_body
      from unnest(
        ${textArray(rows.map((row) => row.head.userId))}::uuid[],
        ${bytesArray(rows.map((row) => row.idempotency?.keyHash ?? null))}::bytea[],
        ${bytesArray(rows.map((row) => row.idempotency?.fingerprint ?? null))}::bytea[]
      ) with ordinality as asked (user_id, key_hash, fingerprint, position)
      join idempotency_keys k on k.user_id = asked.user_id and k.key_hash = asked.key_hash`,
  );
  const byPosition = new Map(found.map((row) => [row.position, row]));
  return rows.map((_row, index) => {
    const row = byPosition.get(index + 1);
    return row && { requestId: row.request_id, sameBody: row.same_body };
  });
}

/**
 * Finds the request of a user's Idempotency-Key; undefined: the key is new. A replay is recognised by it
 * before anything is held.
 */
export async function findReplay(
  database: Database,
  { userId, keyHash, fingerprint }: { userId: string } & Idempotency,
): Promise<Replay | undefined> {
  const [row] = await database.run(
    "find an idempotency key",
    (sql) => sql<{ request_id: string; same_body: boolean }[]>`
      select request_id, fingerprint = ${fingerprint}::bytea as same_body
      from idempotency_keys
      where user_id = ${userId}
        and key_hash = ${keyHash}::bytea`,
  );
  return row && { requestId: row.request_id, sameBody: row.same_body };
}

function columnsOf(rows: readonly NewRequest[]) {
  return {
    requestId: textArray(rows.map((row) => row.head.requestId)),
    userId: textArray(rows.map((row) => row.head.userId)),
    model: textArray(rows.map((row) => row.head.model)),
    prompts: packBytes(rows.map((row) => row.prompt)),
    metadatas: packBytes(rows.map((row) => row.metadata)),
    estimatedTokens: numberArray(rows.map((row) => row.head.estimatedTokens)),
    windowDay: textArray(rows.map((row) => row.head.windowDay)),
    publisherId: textArray(rows.map((row) => row.publisherId)),
    createdMs: numberArray(rows.map((row) => row.head.createdAtMs)),
    expiresMs: numberArray(rows.map((row) => row.head.expiresAtMs)),
    acceptUntilMs: numberArray(rows.map((row) => row.acceptUntilMs)),
  };
}

/**
 * Removes what an insert of unknown outcome may have stored, after the gateway refused the requests. A
 * request with an Idempotency-Key stays, because another gateway may have returned 202 for it already: its
 * hold must stay, and it will run. Returns the ids that are stored after all.
 */
export async function discardRequests(
  database: Database,
  requestIds: readonly string[],
): Promise<string[]> {
  const ids = textArray(requestIds);
  await database.run(
    "discard requests",
    (sql) => sql`
      with discarded as (
        delete from requests r
        where r.request_id = any(${ids}::uuid[])
          and r.completed_at is null
          and not exists (
            select from idempotency_keys k where k.user_id = r.user_id and k.request_id = r.request_id
          )
        returning r.request_id
      )
      delete from parked
      where request_id in (select request_id from discarded)`,
  );
  return [...(await storedIds(database, ids))];
}

/** Deletes Idempotency-Keys first used before an instant, at most `limit`; returns how many. */
export async function deleteIdempotencyKeysBefore(
  database: Database,
  createdBeforeMs: number,
  limit: number,
): Promise<number> {
  const { count } = await database.run(
    "forget idempotency keys",
    (sql) => sql`
      delete from idempotency_keys
      where ctid = any(array(
        select ctid
        from idempotency_keys
        where created_at < ${createdBeforeMs}::timestamptz
        limit ${limit}
      ))`,
  );
  return count;
}
