import type {
  LedgerAnomaly,
  LedgerBooks,
  RequestCounts,
  SumAnomaly,
} from "../../core/audit/books.ts";
import type { DurableState } from "../../core/request/request.ts";
import type { Database } from "./connect.ts";
import { quotaTruth } from "./quotas.ts";

/** Reads what PostgreSQL knows of users, in order, in one snapshot. Whoever is not a user has empty books. */
export async function readLedger(
  database: Database,
  userIds: readonly string[],
): Promise<LedgerBooks[]> {
  const truths = await quotaTruth(database, userIds);
  return truths.map((truth) => ({ days: truth?.days ?? [], holds: truth?.holds ?? [] }));
}

/** Counts the requests that are kept, in all and in each state, in one snapshot. Reads them all. */
export async function countRequests(database: Database): Promise<RequestCounts> {
  const rows = await database.run(
    "count requests",
    (sql) => sql<{ status: DurableState; requests: number; accepted: number }[]>`
      select status, count(*) as requests, sum(count(*)) over ()::bigint as accepted
      from requests
      group by status`,
  );
  const counts = { queued: 0, completed: 0, failed: 0, cancelled: 0, expired: 0 };
  for (const row of rows) counts[row.status] = row.requests;
  return { accepted: rows[0]?.accepted ?? 0, ...counts };
}

/**
 * Finds requests that are kept and whose ledger row is not what their own state, usage and executions say, in
 * one snapshot, at most `limit`: one that was executed without a row, a row without an execution, or figures
 * that differ. Reads both tables.
 *
 * It is written independently of `ledgerEntryOf`, whose work it checks.
 */
export async function ledgerAnomalies(database: Database, limit: number): Promise<LedgerAnomaly[]> {
  const rows = await database.run(
    "compare requests and ledger",
    (sql) => sql<{ request_id: string; status: DurableState; attempts: number; bills: number }[]>`
      select
        r.request_id, r.status, coalesce(r.executions, r.attempts) as attempts,
        (l.request_id is not null)::integer as bills
      from requests r
      left join token_logs l using (request_id)
      where (r.status = 'completed' and l.request_id is null)
        or (r.total_tokens is null and coalesce(r.executions, 0) = 0) <> (l.request_id is null)
        or (r.total_tokens is null) <> (l.usage_source = 'failed')
        or (coalesce(r.total_tokens, 0), r.user_id, r.window_day) <> (l.total_tokens, l.user_id, l.window_day)
        or (r.executions, r.executions - (r.status <> 'failed' and r.total_tokens is not null)::integer)
          <> (l.executions, l.failed_executions)
      order by r.request_id
      limit ${limit}`,
  );
  return rows.map((row) => ({
    requestId: row.request_id,
    state: row.status,
    attempts: row.attempts,
    rows: row.bills,
  }));
}

/**
 * Finds days of users whose kept sum is not that of the ledger, in one snapshot, at most `limit`. Reads both
 * tables.
 */
export async function sumAnomalies(database: Database, limit: number): Promise<SumAnomaly[]> {
  const rows = await database.run(
    "compare ledger and sums",
    (sql) => sql<
      {
        user_id: string;
        day: string;
        ledger_requests: number;
        ledger_tokens: number;
        ledger_failed_requests: number;
        ledger_failed_executions: number;
        sum_requests: number;
        sum_tokens: number;
        sum_failed_requests: number;
        sum_failed_executions: number;
      }[]
    >`
      select
        user_id, window_day::text as day,
        coalesce(sum(l.requests), 0)::bigint as ledger_requests,
        coalesce(sum(l.tokens), 0)::bigint as ledger_tokens,
        coalesce(sum(l.failed_requests), 0)::bigint as ledger_failed_requests,
        coalesce(sum(l.failed_executions), 0)::bigint as ledger_failed_executions,
        coalesce(sum(d.requests), 0)::bigint as sum_requests,
        coalesce(sum(d.total_tokens), 0)::bigint as sum_tokens,
        coalesce(sum(d.failed_requests), 0)::bigint as sum_failed_requests,
        coalesce(sum(d.failed_executions), 0)::bigint as sum_failed_executions
      from (
        select
          user_id, window_day, model, count(*) as requests, sum(total_tokens)::bigint as tokens,
          count(*) filter (where usage_source = 'failed') as failed_requests,
          sum(failed_executions) as failed_executions
        from token_logs
        group by user_id, window_day, model
      ) as l
      full join token_days d using (user_id, window_day, model)
      where (l.requests, l.tokens, l.failed_requests, l.failed_executions)
        is distinct from (d.requests, d.total_tokens, d.failed_requests, d.failed_executions)
      group by user_id, window_day
      order by user_id, window_day
      limit ${limit}`,
  );
  return rows.map((row) => ({
    userId: row.user_id,
    day: row.day,
    ledger: {
      requests: row.ledger_requests,
      tokens: row.ledger_tokens,
      failedRequests: row.ledger_failed_requests,
      failedExecutions: row.ledger_failed_executions,
    },
    sums: {
      requests: row.sum_requests,
      tokens: row.sum_tokens,
      failedRequests: row.sum_failed_requests,
      failedExecutions: row.sum_failed_executions,
    },
  }));
}
