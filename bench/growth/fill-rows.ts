import { textArray } from "../../adapters/postgres/arrays.ts";
import type { Database } from "../../adapters/postgres/connect.ts";
import { type Filling, inParts } from "./parts.ts";

/** Of so many one was executed and has its row of the ledger. */
export const BILLED_EVERY = 4;
/** Bytes of what stands for a sealed prompt. */
export const FILLED_PROMPT_BYTES = 200;

/**
 * Writes so many failed requests of the last hour of this UTC day into today's partition, which is the worst
 * case, a quarter of them with a row of the ledger, by statements inside PostgreSQL; then vacuums and
 * analyzes both tables, as autovacuum would have by the time there are so many. Failed, because nobody could
 * open a result that was not sealed for its request. Redis knows nothing of them: forget the users
 * afterwards.
 */
export async function fillRows(
  database: Database,
  userIds: readonly string[],
  filling: Pick<Filling, "from" | "to" | "say">,
): Promise<void> {
  // As many lanes as cores.
  await inParts({ ...filling, size: 50_000, lanes: 2 }, (first, end) =>
    insertRows(database, userIds, first, end - 1),
  );
  await database.run("vacuum", (sql) => sql`vacuum (analyze) requests, token_logs`);
}

async function insertRows(
  database: Database,
  userIds: readonly string[],
  first: number,
  last: number,
): Promise<void> {
  await database.run(
    "fill requests",
    (sql) => sql`
      with clock as (
        select
          greatest(now() - interval '1 hour', date_trunc('day', now(), 'UTC')) as from_at,
          now() as to_at
      ),
      made as (
        select
          from_at + (to_at - from_at) * ((n - ${first})::float8 / ${last - first + 1}::float8) as at,
          md5('bench-request-' || n) as random,
          n / ${userIds.length}::int % ${BILLED_EVERY}::int = 0 as is_billed,
          (${textArray(userIds)}::uuid[])[1 + n % ${userIds.length}::int] as user_id
        from clock, generate_series(${first}::int, ${last}::int) as n
      ),
      filled as (
        insert into requests (
          request_id, user_id, model, status, prompt, error_code, error_message, estimated_tokens,
          prompt_tokens, completion_tokens, attempts, window_day, publisher_id,
          created_at, expires_at, started_at, completed_at
        )
        select
          (
            lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0')
            || '7' || substr(random, 1, 3) || '8' || substr(random, 4, 15)
          )::uuid,
          user_id, 'sim-chat', 'failed', prompt, 'UPSTREAM_TIMEOUT', 'filled', 100,
          billed.input, billed.output, 1, (now() at time zone 'UTC')::date,
          '00000000-0000-4000-8000-000000000000',
          at, at + interval '1 hour', at, at
        from made, decode(repeat('ab', ${FILLED_PROMPT_BYTES}::int), 'hex') as prompt,
          lateral (
            select case when is_billed then 40 end, case when is_billed then 60 end
          ) as billed (input, output)
        returning request_id, user_id, model, window_day, total_tokens, created_at
      )
      insert into token_logs (
        request_id, user_id, model, window_day, prompt_tokens, completion_tokens, usage_source, created_at
      )
      select request_id, user_id, model, window_day, 40, 60, 'reported', created_at
      from filled
      where total_tokens is not null`,
  );
}
