import type { Priority } from "../../core/queue/fair-order.ts";
import type { DurableState } from "../../core/request/request.ts";
import type { ListedRequest, Page, StoredRequest } from "../../core/request/stored-request.ts";
import { textArray } from "./arrays.ts";
import type { Database, Sql } from "./connect.ts";
import { isState, LAST_ID, LISTED_COLUMNS, type ListedRow, listedOf } from "./find-requests.ts";
import { priorityOf } from "./request-rows.ts";
import { FIRST_ID, pageOf } from "./request-rows.ts";

/** Which requests an operator means; what is absent leaves none out. */
export interface RequestFilter {
  userId?: string | undefined;
  model?: string | undefined;
  /** Accepted longer ago than this, by the server's clock. */
  olderThanMs?: number | undefined;
}

/** An open request, as far as an operator needs it to end it. */
export interface OpenRequest {
  requestId: string;
  userId: string;
  model: string;
}

/** One request with all that is stored of it, content sealed. */
export interface WholeRequest extends StoredRequest {
  prompt: Uint8Array;
  windowDay: string;
  expiresAtMs: number;
}

function fits(sql: Sql, { userId, model, olderThanMs }: RequestFilter) {
  const ofUser = userId === undefined ? sql`` : sql`and user_id = ${userId}`;
  const ofModel = model === undefined ? sql`` : sql`and model = ${model}`;
  const isOld =
    olderThanMs === undefined
      ? sql``
      : sql`and created_at < now() - make_interval(secs => ${olderThanMs / 1_000}::float8)`;
  return sql`${ofUser} ${ofModel} ${isOld}`;
}

/** One page of the requests of all users, newest first, without results. @throws {Fault} STORE_UNAVAILABLE */
export async function searchRequests(
  database: Database,
  filter: RequestFilter & { state?: DurableState | undefined },
  { before = LAST_ID, limit }: { before?: string | undefined; limit: number },
): Promise<Page<ListedRequest>> {
  const { state } = filter;
  const rows = await database.run(
    "search requests",
    (sql) => sql<ListedRow[]>`
      select ${sql(LISTED_COLUMNS)}
      from requests
      where request_id < ${before}
        ${state === undefined ? sql`` : isState(sql, state)}
        ${fits(sql, filter)}
      order by request_id desc
      limit ${limit}`,
  );
  return pageOf(rows, limit, (row) => row.request_id, listedOf);
}

/** How many open requests there are of a kind. @throws {Fault} STORE_UNAVAILABLE */
export async function countOpen(database: Database, filter: RequestFilter): Promise<number> {
  const [row] = await database.run(
    "count open requests",
    (sql) => sql<{ count: number }[]>`
      select count(*) as count
      from requests
      where status = 'queued'
        ${fits(sql, filter)}`,
  );
  return row?.count ?? 0;
}

/**
 * One page of the open requests of a kind. In the order in which they expire, because all open ones have an
 * index in that order; those of one user in that of their ids, for the same reason.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function openRequests(
  database: Database,
  filter: RequestFilter,
  after: string | null,
  limit: number,
): Promise<Page<OpenRequest>> {
  const [atUs = "0", id = FIRST_ID] = after?.split("/") ?? [];
  const behind = (sql: Sql) =>
    filter.userId === undefined
      ? sql`(expires_at, request_id) > (
          timestamptz 'epoch' + ${atUs}::bigint * interval '1 microsecond', ${id}::uuid
        )`
      : sql`request_id > ${id}::uuid`;
  const order = (sql: Sql) =>
    filter.userId === undefined ? sql`expires_at, request_id` : sql`request_id`;
  const rows = await database.run(
    "find open requests",
    (sql) => sql<{ request_id: string; user_id: string; model: string; expires_at_us: number }[]>`
      select
        request_id, user_id, model,
        (extract(epoch from expires_at) * 1000000)::bigint as expires_at_us
      from requests
      where status = 'queued'
        and ${behind(sql)}
        ${fits(sql, filter)}
      order by ${order(sql)}
      limit ${limit}`,
  );
  return pageOf(
    rows,
    limit,
    (row) => `${row.expires_at_us}/${row.request_id}`,
    (row) => ({ requestId: row.request_id, userId: row.user_id, model: row.model }),
  );
}

/** Those of some requests that are open. @throws {Fault} STORE_UNAVAILABLE */
export async function openByIds(
  database: Database,
  requestIds: readonly string[],
): Promise<OpenRequest[]> {
  const rows = await database.run(
    "find open requests by id",
    (sql) => sql<{ request_id: string; user_id: string; model: string }[]>`
      select request_id, user_id, model
      from requests
      where request_id = any(${textArray(requestIds)}::uuid[])
        and completed_at is null
      order by request_id`,
  );
  return rows.map((row) => ({
    requestId: row.request_id,
    userId: row.user_id,
    model: row.model,
  }));
}

/** A request of any user with all that is stored of it. @throws {Fault} STORE_UNAVAILABLE */
export async function wholeRequest(
  database: Database,
  requestId: string,
): Promise<WholeRequest | undefined> {
  const [row] = await database.run(
    "read a request",
    (sql) => sql<
      (ListedRow & {
        prompt: Buffer;
        result: Buffer | null;
        error_detail: Buffer | null;
        window_day: string;
        expires_at: number;
      })[]
    >`
      select ${sql(LISTED_COLUMNS)}, prompt, result, error_detail, window_day, expires_at
      from requests
      where request_id = ${requestId}`,
  );
  if (row === undefined) return undefined;
  const { prompt, result, window_day: windowDay, expires_at: expiresAtMs } = row;
  const content = { prompt, result, errorDetail: row.error_detail };
  return { ...listedOf(row), ...content, windowDay, expiresAtMs };
}

/** How a parked request waits. */
export interface ParkedStanding {
  priority: Priority;
  /** The attempt that is to be made. */
  attempt: number;
}

/** undefined: it is not parked. @throws {Fault} STORE_UNAVAILABLE */
export async function parkedStanding(
  database: Database,
  requestId: string,
): Promise<ParkedStanding | undefined> {
  const [row] = await database.run(
    "read a parked request",
    (sql) => sql<{ priority: number; attempt: number }[]>`
      select priority, attempt from parked where request_id = ${requestId}`,
  );
  return row && { priority: priorityOf(row.priority), attempt: row.attempt };
}
