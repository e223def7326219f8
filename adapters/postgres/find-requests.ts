import type { DurableState } from "../../core/request/request.ts";
import type { QueuedRequest } from "../../core/request/messages.ts";
import { textArray } from "./arrays.ts";
import type { Database, Sql } from "./connect.ts";
import { OPEN_COLUMNS, type OpenRow, queuedOf } from "./request-rows.ts";
import type {
  ListQuery,
  ListedRequest,
  RequestRef,
  StoredRequest,
} from "../../core/request/stored-request.ts";

export interface ListedRow {
  request_id: string;
  user_id: string;
  model: string;
  status: DurableState;
  estimated_tokens: number;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  total_tokens: number | null;
  attempts: number;
  created_at: number;
  started_at: number | null;
  completed_at: number | null;
  error_code: string | null;
  error_message: string | null;
  metadata: Buffer | null;
}

export const LISTED_COLUMNS = [
  "request_id",
  "user_id",
  "model",
  "status",
  "estimated_tokens",
  "prompt_tokens",
  "completion_tokens",
  "total_tokens",
  "attempts",
  "created_at",
  "started_at",
  "completed_at",
  "error_code",
  "error_message",
  "metadata",
] as const satisfies readonly (keyof ListedRow)[];

/** Above every id. */
export const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/**
 * Reads any number of requests of any users in one query; returns them in order, undefined where the user has
 * no such request (I6).
 */
export async function findRequests(
  database: Database,
  lookups: readonly RequestRef[],
): Promise<(StoredRequest | undefined)[]> {
  const rows = await database.run(
    "find requests",
    (sql) => sql<(ListedRow & { result: Buffer | null; error_detail: Buffer | null })[]>`
      select ${sql(LISTED_COLUMNS)}, result, error_detail
      from requests
      where request_id = any(${textArray(lookups.map((lookup) => lookup.requestId))}::uuid[])
        and user_id = any(${textArray(lookups.map((lookup) => lookup.userId))}::uuid[])`,
  );
  const byId = new Map(rows.map((row) => [row.request_id, row]));
  return lookups.map(({ requestId, userId }) => {
    const row = byId.get(requestId);
    if (row?.user_id !== userId) return undefined;
    return { ...listedOf(row), result: row.result, errorDetail: row.error_detail };
  });
}

/** One page of a user's requests, newest first, without results. */
export async function listRequests(
  database: Database,
  { userId, state, before = LAST_ID, limit }: ListQuery,
): Promise<ListedRequest[]> {
  const rows = await database.run(
    "list requests",
    (sql) => sql<ListedRow[]>`
      select ${sql(LISTED_COLUMNS)}
      from requests
      where user_id = ${userId}
        and request_id < ${before}
        ${state === undefined ? sql`` : isState(sql, state)}
      order by request_id desc
      limit ${limit}`,
  );
  return rows.map(listedOf);
}

/** Written out, because a plan for any state could not use the index of one. */
export function isState(sql: Sql, state: DurableState) {
  switch (state) {
    case "queued":
      return sql`and status = 'queued'`;
    case "completed":
      return sql`and status = 'completed'`;
    case "failed":
      return sql`and status = 'failed'`;
    case "cancelled":
      return sql`and status = 'cancelled'`;
    case "expired":
      return sql`and status = 'expired'`;
  }
}

export function listedOf(row: ListedRow): ListedRequest {
  return {
    requestId: row.request_id,
    userId: row.user_id,
    model: row.model,
    state: row.status,
    estimatedTokens: row.estimated_tokens,
    promptTokens: row.prompt_tokens,
    completionTokens: row.completion_tokens,
    totalTokens: row.total_tokens,
    attempts: row.attempts,
    createdAtMs: row.created_at,
    startedAtMs: row.started_at,
    completedAtMs: row.completed_at,
    errorCode: row.error_code,
    errorMessage: row.error_message,
    metadata: row.metadata,
  };
}

/**
 * Reads requests as their first attempt is published, with their content; those no longer queued are left
 * out, and those that are parked: the dispatcher publishes them. It checks no owner. The condition for queued
 * is "has no end", so that the index of all open requests is not read (see `moveAndBill`).
 */
export async function readQueued(
  database: Database,
  requestIds: readonly string[],
): Promise<QueuedRequest[]> {
  const rows = await database.run(
    "read queued requests",
    (sql) => sql<OpenRow[]>`
      select ${sql(OPEN_COLUMNS)}
      from requests r
      where request_id = any(${textArray(requestIds)}::uuid[])
        and completed_at is null
        and not exists (select from parked p where p.request_id = r.request_id)
      order by request_id`,
  );
  return rows.map(queuedOf);
}
