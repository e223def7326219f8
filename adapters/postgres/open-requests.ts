import type { QueuedRequest } from "../../core/request/messages.ts";
import type { DurableState } from "../../core/request/request.ts";
import { textArray } from "./arrays.ts";
import type { Database, Sql } from "./connect.ts";
import { FIRST_ID, OPEN_COLUMNS, type OpenRow, pageOf, queuedOf } from "./request-rows.ts";
import type {
  Page,
  RequestRef,
  RequestStanding,
  WaitingModel,
} from "../../core/request/stored-request.ts";

/**
 * Reads how requests of any users stand, in order; undefined: not stored. For the keeper, so it checks no
 * owner.
 */
export async function standings(
  database: Database,
  requestIds: readonly string[],
): Promise<(RequestStanding | undefined)[]> {
  const rows = await database.run(
    "read standings",
    (sql) => sql<
      {
        request_id: string;
        status: DurableState;
        billed_tokens: number | null;
        failed_executions: number;
      }[]
    >`
      select
        r.request_id, r.status, l.total_tokens as billed_tokens,
        coalesce(l.failed_executions, 0) as failed_executions
      from requests r
      left join token_logs l using (request_id)
      where r.request_id = any(${textArray(requestIds)}::uuid[])`,
  );
  const byId = new Map(rows.map((row) => [row.request_id, row]));
  return requestIds.map((requestId) => {
    const row = byId.get(requestId);
    return (
      row && {
        state: row.status,
        billedTokens: row.billed_tokens,
        failedExecutions: row.failed_executions,
      }
    );
  });
}

/**
 * Finds open requests past their `expires_at` by the server's clock, those that expired first in front. Some
 * may be executing.
 */
export async function overdueRequests(
  database: Database,
  after: string | null,
  limit: number,
): Promise<Page<RequestRef>> {
  const rows = await database.run(
    "find overdue requests",
    (sql) => sql<(Placed & { user_id: string })[]>`
      select request_id, user_id, ${placeOf(sql)}
      from requests
      where status = 'queued'
        and expires_at <= now()
        and ${isBehind(sql, after)}
      order by expires_at, request_id
      limit ${limit}`,
  );
  return pageOf(rows, limit, cursorOf, (row) => ({
    requestId: row.request_id,
    userId: row.user_id,
  }));
}

/**
 * Reads open requests of some models that were created before an instant and are not parked, with their
 * content, those that expire first in front. A page may hold fewer than `limit`, or none, and not be the
 * last.
 */
export async function queuedBefore(
  database: Database,
  createdBeforeMs: number,
  models: readonly string[],
  after: string | null,
  limit: number,
): Promise<Page<QueuedRequest>> {
  const looked = await database.run(
    "find old open requests",
    (sql) => sql<(Placed & { is_wanted: boolean })[]>`
      select
        page.request_id, page.expires_at_us,
        page.is_old
          and page.model = any(${textArray(models)}::text[])
          and not exists (select from parked p where p.request_id = page.request_id) as is_wanted
      from (
        select
          request_id, model, expires_at, ${placeOf(sql)},
          created_at < ${createdBeforeMs}::timestamptz as is_old
        from requests
        where status = 'queued'
          and ${isBehind(sql, after)}
        order by expires_at, request_id
        limit ${LOOKS_PER_REQUEST * limit}
      ) as page
      order by page.expires_at, page.request_id`,
  );
  const wanted = looked.filter((row) => row.is_wanted).slice(0, limit);
  // Where the bound of the page cut it off, the next one goes on behind the last that it took.
  const last = wanted.length === limit ? wanted.at(-1) : looked.at(-1);
  const isEnd = wanted.length < limit && looked.length < LOOKS_PER_REQUEST * limit;
  return {
    items: await readOpen(
      database,
      wanted.map((row) => row.request_id),
    ),
    next: isEnd || last === undefined ? null : cursorOf(last),
  };
}

/** Open requests with their content, those that expire first in front. */
async function readOpen(
  database: Database,
  requestIds: readonly string[],
): Promise<QueuedRequest[]> {
  if (requestIds.length === 0) return [];
  const rows = await database.run(
    "read open requests",
    (sql) => sql<OpenRow[]>`
      select ${sql(OPEN_COLUMNS)}
      from requests
      where request_id = any(${textArray(requestIds)}::uuid[])
        and completed_at is null
      order by expires_at, request_id`,
  );
  return rows.map(queuedOf);
}

/** Bounds what one page looks at, so that a million parked requests are walked through in bites. */
const LOOKS_PER_REQUEST = 10;

/** A row with its place in the index `requests_expiring`, in whose order it is read page by page. */
interface Placed {
  request_id: string;
  /** Unix microseconds, as precise as the column. */
  expires_at_us: number;
}

const placeOf = (sql: Sql) =>
  sql`(extract(epoch from expires_at) * 1000000)::bigint as expires_at_us`;

const cursorOf = ({ expires_at_us: atUs, request_id: id }: Placed): string => `${atUs}/${id}`;

function isBehind(sql: Sql, cursor: string | null) {
  const [atUs = "0", id = FIRST_ID] = cursor?.split("/") ?? [];
  return sql`(expires_at, request_id) > (
    timestamptz 'epoch' + ${atUs}::bigint * interval '1 microsecond', ${id}::uuid
  )`;
}

/**
 * Sums what waits, by model, for the gauges that scale workers from zero. Reads every open request once
 * through the index of open requests: about 80 ms per 100,000 on two cores, so not more often than every few
 * seconds.
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
