import type { QueuedRequest } from "../../core/messages.ts";
import type { DurableState } from "../../core/request.ts";
import { textArray } from "./arrays.ts";
import type { Database } from "./connect.ts";
import { FIRST_ID, HEAD_COLUMNS, type OpenRow, pageOf, queuedOf } from "./request-rows.ts";
import type { Page, RequestStanding, WaitingModel } from "../../core/stored-request.ts";

/** How requests of any users stand, in order; undefined: not stored. For the keeper: it asks for no owner. */
export async function standings(
  database: Database,
  requestIds: readonly string[],
): Promise<(RequestStanding | undefined)[]> {
  const rows = await database.run(
    "read standings",
    (sql) => sql<{ request_id: string; status: DurableState; billed_tokens: number | null }[]>`
      select r.request_id, r.status, l.total_tokens as billed_tokens
      from requests r
      left join token_logs l using (request_id)
      where r.request_id = any(${textArray(requestIds)}::uuid[])`,
  );
  const byId = new Map(rows.map((row) => [row.request_id, row]));
  return requestIds.map((requestId) => {
    const row = byId.get(requestId);
    return row && { state: row.status, billedTokens: row.billed_tokens };
  });
}

/** Open requests past their `expires_at` by the server's clock, those that were due first in front. Some may be executing. */
export async function overdueRequests(
  database: Database,
  after: string | null,
  limit: number,
): Promise<Page<{ requestId: string; userId: string }>> {
  const [dueAtUs, requestId] = after?.split("/") ?? ["0", FIRST_ID];
  const rows = await database.run(
    "find overdue requests",
    (sql) => sql<{ request_id: string; user_id: string; due_at_us: number }[]>`
      select request_id, user_id, (extract(epoch from expires_at) * 1000000)::bigint as due_at_us
      from requests
      where status = 'queued'
        and expires_at <= now()
        and (expires_at, request_id) > (
          timestamptz 'epoch' + ${dueAtUs ?? 0}::bigint * interval '1 microsecond',
          ${requestId ?? FIRST_ID}::uuid
        )
      order by expires_at, request_id
      limit ${limit}`,
  );
  return pageOf(
    rows,
    limit,
    (row) => `${row.due_at_us}/${row.request_id}`,
    (row) => ({ requestId: row.request_id, userId: row.user_id }),
  );
}

/**
 * Open requests created before an instant, in the order of ids, content and all. Reads the index of open requests to its end for each
 * page: a plan that walks all requests in the order of ids until the page is full may never fill it.
 */
export async function queuedBefore(
  database: Database,
  createdBeforeMs: number,
  after: string | null,
  limit: number,
): Promise<Page<QueuedRequest>> {
  const rows = await database.run(
    "read old open requests",
    (sql) => sql<OpenRow[]>`
      with open as materialized (
        select request_id
        from requests
        where status = 'queued'
          and created_at < ${createdBeforeMs}::timestamptz
          and request_id > ${after ?? FIRST_ID}
      )
      select ${sql(HEAD_COLUMNS)}, prompt
      from requests
      where request_id = any(array(select request_id from open order by request_id limit ${limit}))
        and completed_at is null
      order by request_id`,
  );
  return pageOf(rows, limit, (row) => row.request_id, queuedOf);
}

/**
 * What waits, by model: for the gauges that scale workers from zero. Reads every open request once through the index of open
 * requests: about 80 ms per 100,000 on two cores, so not more often than every few seconds.
 */
export async function waitingByModel(database: Database): Promise<WaitingModel[]> {
  const rows = await database.run(
    "sum what waits",
    (sql) => sql<{ model: string; requests: number; tokens: number; oldest: number }[]>`
      select model, count(*) as requests, sum(estimated_tokens)::bigint as tokens, min(created_at) as oldest
      from requests
      where status = 'queued'
      group by model
      order by model`,
  );
  return rows.map((row) => ({
    model: row.model,
    requests: row.requests,
    tokens: row.tokens,
    oldestCreatedAtMs: row.oldest,
  }));
}
