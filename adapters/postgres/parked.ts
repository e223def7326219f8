import type { DispatchedEnd, OverdueRetry } from "../../core/queue/parked.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import type { RequestError } from "../../core/request/request.ts";
import type { OutboxEntry } from "../../core/request/stored-request.ts";
import { isFaultCode } from "../../core/faults.ts";
import { numberArray, textArray } from "./arrays.ts";
import type { Database } from "./connect.ts";
import { HEAD_COLUMNS, type OpenRow, priorityNumber, queuedOf } from "./request-rows.ts";

/**
 * Parks requests that came back from workers, or from the queue of a model that is paused: those that are
 * still open. One that is parked already keeps the later attempt.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function parkRequests(
  database: Database,
  requests: readonly QueuedRequest[],
): Promise<void> {
  if (requests.length === 0) return;
  // Of one request twice in a batch the later attempt: one statement may not touch a row twice.
  const latest = new Map<string, QueuedRequest>();
  for (const request of requests) {
    const known = latest.get(request.head.requestId);
    if (known === undefined || known.attempt <= request.attempt)
      latest.set(request.head.requestId, request);
  }
  const rows = [...latest.values()].toSorted((a, b) =>
    a.head.requestId < b.head.requestId ? -1 : 1,
  );
  await database.run(
    "park requests",
    (sql) => sql`
      insert into parked (
        request_id, model, user_id, priority, expires_at, estimated_tokens, attempt, last_error_code,
        last_error_message
      )
      select
        r.request_id, r.model, r.user_id, row.priority, r.expires_at, r.estimated_tokens, row.attempt,
        row.error_code, row.error_message
      from
        unnest(
          ${textArray(rows.map(({ head }) => head.requestId))}::uuid[],
          ${numberArray(rows.map(({ priority = "normal" }) => priorityNumber(priority)))}::smallint[],
          ${numberArray(rows.map(({ attempt }) => attempt))}::integer[],
          ${textArray(rows.map(({ lastError }) => lastError?.code ?? null))}::text[],
          ${textArray(rows.map(({ lastError }) => lastError?.message ?? null))}::text[]
        ) as row (request_id, priority, attempt, error_code, error_message)
        join requests r on r.request_id = row.request_id
      where r.completed_at is null
      on conflict (request_id) do update
      set
        attempt = excluded.attempt,
        last_error_code = excluded.last_error_code,
        last_error_message = excluded.last_error_message
      where excluded.attempt >= parked.attempt`,
  );
}

type ParkedRow = OpenRow & {
  attempt: number;
  last_error_code: string | null;
  last_error_message: string | null;
  is_keyed: boolean;
};

/**
 * Parked requests that are still open, content and all, in no order.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function readParked(
  database: Database,
  requestIds: readonly string[],
): Promise<OutboxEntry[]> {
  const ids = textArray(requestIds);
  const rows = await database.run(
    "read parked requests",
    (sql) => sql<ParkedRow[]>`
      select
        ${sql(HEAD_COLUMNS.map((column) => `r.${column}`))}, r.prompt,
        nullif(p.priority, ${priorityNumber("normal")}) as priority, p.attempt,
        p.last_error_code, p.last_error_message, keyed.is_keyed
      from
        parked p
        join requests r on r.request_id = p.request_id,
        -- For each row alone: a plain EXISTS may be answered by reading all keys.
        lateral (
          select count(*) > 0 as is_keyed
          from (select from idempotency_keys k where k.request_id = p.request_id limit 1) as key
        ) as keyed
      where p.request_id = any(${ids}::uuid[])
        and r.request_id = any(${ids}::uuid[])
        and r.completed_at is null`,
  );
  return rows.map((row) => {
    const lastError = errorOf(row);
    return {
      isKeyed: row.is_keyed,
      request: {
        ...queuedOf(row),
        attempt: row.attempt,
        ...(lastError === undefined ? {} : { lastError }),
      },
    };
  });
}

export function errorOf(row: {
  last_error_code: string | null;
  last_error_message: string | null;
}): RequestError | undefined {
  if (row.last_error_code === null || !isFaultCode(row.last_error_code)) return undefined;
  return { code: row.last_error_code, message: row.last_error_message ?? "" };
}

/** Takes requests out of the parked ones: they have been published, or have ended. */
export async function deleteParked(
  database: Database,
  requestIds: readonly string[],
): Promise<void> {
  if (requestIds.length === 0) return;
  await database.run(
    "delete parked requests",
    (sql) => sql`delete from parked where request_id = any(${textArray(requestIds)}::uuid[])`,
  );
}

/**
 * How many are parked, by model. Reads every parked row's place in the index: about 0.1 s per million, so
 * not more often than every few seconds.
 */
export async function countParked(database: Database): Promise<Map<string, number>> {
  const rows = await database.run(
    "count parked requests",
    (sql) => sql<{ model: string; parked: number }[]>`
      select model, count(*) as parked from parked group by model`,
  );
  return new Map(rows.map((row) => [row.model, row.parked]));
}

/** Of these requests those that have ended, and what was billed for them. */
export async function endsOf(
  database: Database,
  requestIds: readonly string[],
): Promise<DispatchedEnd[]> {
  if (requestIds.length === 0) return [];
  const rows = await database.run(
    "find ended requests",
    (sql) => sql<{ request_id: string; tokens: number }[]>`
      select request_id, coalesce(total_tokens, 0) as tokens
      from requests
      where request_id = any(${textArray(requestIds)}::uuid[])
        and completed_at is not null`,
  );
  return rows.map((row) => ({ requestId: row.request_id, tokens: row.tokens }));
}

/** The tier of each user's daily window, in order; undefined: the default tier. */
export async function tiersOf(
  database: Database,
  userIds: readonly string[],
): Promise<(string | undefined)[]> {
  if (userIds.length === 0) return [];
  const rows = await database.run(
    "read tiers",
    (sql) => sql<{ user_id: string; tier: string }[]>`
      select user_id, tier
      from quotas
      where user_id = any(${textArray(userIds)}::uuid[])
        and reset_frequency = 'daily'`,
  );
  const byUser = new Map(rows.map((row) => [row.user_id, row.tier]));
  return userIds.map((userId) => byUser.get(userId));
}

/** Parked retries past their `expires_at` by the server's clock, those that were due first in front. */
export async function overdueRetries(database: Database, limit: number): Promise<OverdueRetry[]> {
  const rows = await database.run(
    "find overdue retries",
    (sql) => sql<
      {
        request_id: string;
        user_id: string;
        attempt: number;
        last_error_code: string | null;
        last_error_message: string | null;
      }[]
    >`
      select request_id, user_id, attempt, last_error_code, last_error_message
      from parked
      where attempt > 1
        and expires_at <= now()
      order by expires_at
      limit ${limit}`,
  );
  return rows.map((row) => ({
    requestId: row.request_id,
    userId: row.user_id,
    attempts: row.attempt - 1,
    lastError: errorOf(row),
  }));
}
