import { Fault } from "../../core/faults.ts";
import {
  type Finish,
  type Finished,
  type FinishReply,
  ledgerEntryOf,
} from "../../core/request/finish.ts";
import { type DurableState, isTerminal, type TerminalState } from "../../core/request/request.ts";
import { bytesArray, numberArray, packBytes, textArray } from "./arrays.ts";
import type { Database } from "./connect.ts";

interface FinishedRow {
  request_id: string;
  user_id: string;
  state: TerminalState;
  window_day: string;
  estimated_tokens: number;
  billed_tokens: number | null;
  failed_executions: number;
}

/**
 * Ends requests and bills them, in one transaction: a request moves only if it is still queued (I5), and only
 * one that this call moved gets a ledger row, if it was executed (I2, `ledgerEntryOf`). Returns the replies
 * in order, also for requests that had ended before, so that the caller can settle again what may not have
 * been settled. If an id comes twice, its first finish counts. As with inserts, bound the bytes of a batch.
 *
 * @throws {Fault} STORE_UNAVAILABLE, after which it is right to call again with the same finishes
 * @throws a data fault (`isDataFault`) when a row cannot be stored: then none is
 */
export async function finishRequests(
  database: Database,
  finishes: readonly Finish[],
): Promise<FinishReply[]> {
  const first = new Map<string, Finish>();
  for (const finish of finishes) {
    if (!first.has(finish.requestId)) first.set(finish.requestId, finish);
  }
  // In order, so that two collectors with the same requests wait for each other instead of deadlocking.
  const batch = [...first.values()].sort((a, b) => (a.requestId < b.requestId ? -1 : 1));
  const replies = new Map<string, Finished>();
  for (const row of await moveAndBill(database, batch))
    replies.set(row.request_id, finishedOf(row, true));

  const others = batch.filter((finish) => {
    const reply = replies.get(finish.requestId);
    return reply === undefined || (ledgerEntryOf(finish) !== null && reply.billedTokens === null);
  });
  if (others.length > 0) {
    for (const row of await readEnded(database, others)) {
      if (!isTerminal(row.state)) {
        // It was inserted between the two statements; the caller tries again and finds it.
        throw new Fault(
          "STORE_UNAVAILABLE",
          "PostgreSQL has a request that it did not have a moment ago",
        );
      }
      const moved = replies.has(row.request_id);
      replies.set(row.request_id, finishedOf({ ...row, state: row.state }, moved));
    }
  }
  return repliesInOrder(finishes, replies);
}

function repliesInOrder(
  finishes: readonly Finish[],
  replies: Map<string, Finished>,
): FinishReply[] {
  const seen = new Set<string>();
  return finishes.map(({ requestId }) => {
    const reply = replies.get(requestId);
    if (reply === undefined) return "unknown";
    const repeated = seen.has(requestId);
    seen.add(requestId);
    return repeated ? { ...reply, moved: false } : reply;
  });
}

/**
 * One statement, hence one transaction and one round trip. It waits for a row that another transaction is
 * ending, and then sees it as ended. The ids are an array condition rather than a join, so that partitions
 * are pruned and rows are locked in the order of ids. The condition for queued is "has no end" (a constraint
 * makes the two the same): with the status as condition, the planner reads the whole index of open requests,
 * which it takes for empty as long as most have ended. `billed` is looked up by a hashed subplan, because the
 * planner expects one row of a data-modifying CTE and would join each row with each.
 */
function moveAndBill(database: Database, batch: readonly Finish[]): Promise<FinishedRow[]> {
  const ids = textArray(batch.map((finish) => finish.requestId));
  const entries = batch.map(ledgerEntryOf);
  const results = packBytes(batch.map((finish) => finish.result));
  return database.run(
    "finish requests",
    (sql) => sql<FinishedRow[]>`
      with finish as materialized (
        select *
        from unnest(
          ${ids}::uuid[],
          ${textArray(batch.map((finish) => finish.state))}::text[],
          ${numberArray(batch.map((finish) => finish.attempts))}::integer[],
          ${numberArray(batch.map((finish) => finish.startedAtMs))}::float8[],
          ${numberArray(batch.map((finish) => finish.completedAtMs))}::float8[],
          ${numberArray(batch.map((finish) => finish.usage?.promptTokens ?? null))}::bigint[],
          ${numberArray(batch.map((finish) => finish.usage?.completionTokens ?? null))}::bigint[],
          ${numberArray(entries.map((entry) => entry?.cachedTokens ?? 0))}::bigint[],
          ${numberArray(entries.map((entry) => entry?.reasoningTokens ?? 0))}::bigint[],
          ${textArray(entries.map((entry) => entry?.source ?? null))}::text[],
          ${numberArray(entries.map((entry) => entry?.executions ?? 0))}::integer[],
          ${numberArray(entries.map((entry) => entry?.failedExecutions ?? 0))}::integer[],
          ${textArray(batch.map((finish) => finish.error?.code ?? null))}::text[],
          ${textArray(batch.map((finish) => finish.error?.message ?? null))}::text[],
          ${bytesArray(batch.map((finish) => finish.errorDetail ?? null))}::bytea[],
          ${results.firsts}::integer[],
          ${results.lengths}::integer[]
        ) as row (
          request_id, state, attempts, started_ms, completed_ms, prompt_tokens, completion_tokens,
          cached_tokens, reasoning_tokens, usage_source, executions, failed_executions, error_code,
          error_message, error_detail, result_first, result_length
        )
      ),
      moved as (
        update requests r
        set
          status = f.state,
          attempts = f.attempts,
          executions = greatest(f.attempts, (f.prompt_tokens is not null)::integer),
          started_at = to_timestamp(f.started_ms / 1000),
          completed_at = to_timestamp(f.completed_ms / 1000),
          prompt_tokens = f.prompt_tokens,
          completion_tokens = f.completion_tokens,
          error_code = f.error_code,
          error_message = f.error_message,
          error_detail = f.error_detail,
          result = substring(packed.results from f.result_first for f.result_length)
        from
          (values (${results.bytes}::bytea)) as packed (results),
          finish f
        where r.request_id = any(${ids}::uuid[])
          and r.request_id = f.request_id
          and r.completed_at is null
        returning
          r.request_id, r.user_id, r.model, r.window_day, r.estimated_tokens, r.status, r.prompt_tokens,
          r.completion_tokens, f.cached_tokens, f.reasoning_tokens, f.usage_source, f.executions,
          f.failed_executions
      ),
      billed as (
        insert into token_logs (
          request_id, user_id, model, window_day, prompt_tokens, completion_tokens, cached_tokens,
          reasoning_tokens, usage_source, executions, failed_executions
        )
        select
          request_id, user_id, model, window_day, coalesce(prompt_tokens, 0), coalesce(completion_tokens, 0),
          cached_tokens, reasoning_tokens, usage_source, executions, failed_executions
        from moved
        where usage_source is not null
        on conflict (request_id) do nothing
        returning request_id
      )
      select
        request_id, user_id, status as state, window_day, estimated_tokens, failed_executions,
        case
          when request_id in (select request_id from billed)
          then coalesce(prompt_tokens + completion_tokens, 0)
        end as billed_tokens
      from moved`,
  );
}

/**
 * A statement of its own, because its snapshot must be younger than the transactions that `moveAndBill`
 * waited for.
 */
function readEnded(
  database: Database,
  batch: readonly Finish[],
): Promise<(Omit<FinishedRow, "state"> & { state: DurableState })[]> {
  return database.run(
    "read ended requests",
    (sql) => sql<(Omit<FinishedRow, "state"> & { state: DurableState })[]>`
      select
        r.request_id, r.user_id, r.status as state, r.window_day, r.estimated_tokens,
        l.total_tokens as billed_tokens, coalesce(l.failed_executions, 0) as failed_executions
      from requests r
      left join token_logs l using (request_id)
      where r.request_id = any(${textArray(batch.map((finish) => finish.requestId))}::uuid[])`,
  );
}

function finishedOf(row: FinishedRow, moved: boolean): Finished {
  return {
    requestId: row.request_id,
    moved,
    state: row.state,
    userId: row.user_id,
    windowDay: row.window_day,
    estimatedTokens: row.estimated_tokens,
    billedTokens: row.billed_tokens,
    failedExecutions: row.failed_executions,
  };
}
