import type { Database } from "./connect.ts";
import type { Usage, UsageQuery } from "../../core/quota/usage.ts";

interface UsageRow {
  key: string;
  requests: number;
  failed_requests: number;
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  cached_tokens: number;
  reasoning_tokens: number;
}

/**
 * Returns what a user was billed, from the sums of the ledger, in the order of the key. Days of which the
 * ledger has nothing are left out.
 */
export async function usage(
  database: Database,
  { userId, from, to, by }: UsageQuery,
): Promise<Usage[]> {
  const rows = await database.run(
    "sum usage",
    (sql) => sql<UsageRow[]>`
      select
        ${by === "day" ? sql`window_day::text` : sql`model`} as key,
        sum(requests - failed_requests)::bigint as requests,
        sum(failed_requests)::bigint as failed_requests,
        sum(prompt_tokens)::bigint as prompt_tokens,
        sum(completion_tokens)::bigint as completion_tokens,
        sum(total_tokens)::bigint as total_tokens,
        sum(cached_tokens)::bigint as cached_tokens,
        sum(reasoning_tokens)::bigint as reasoning_tokens
      from token_days
      where user_id = ${userId}
        and window_day between ${from} and ${to}
      group by 1
      order by 1`,
  );
  return rows.map((row) => ({
    key: row.key,
    requests: row.requests,
    failedRequests: row.failed_requests,
    promptTokens: row.prompt_tokens,
    completionTokens: row.completion_tokens,
    totalTokens: row.total_tokens,
    cachedTokens: row.cached_tokens,
    reasoningTokens: row.reasoning_tokens,
  }));
}
