import type { TestStack } from "../stack/stack.ts";
import type { TestUser } from "../stack/users.ts";

/** A request of a user, and what the ledger says of it. */
export interface Billed {
  requestId: string;
  state: string;
  attempts: number;
  /** Rows of the ledger. */
  rows: number;
  /** What they bill together. */
  tokens: number;
}

/** All requests of a user with what was billed for them, once the stack is quiet. */
export async function billsOf({ books }: TestStack, { userId }: TestUser): Promise<Billed[]> {
  await books.untilQuiet();
  return books.database.run(
    "read the bills of a user",
    (sql) => sql<Billed[]>`
      select
        r.request_id as "requestId",
        r.status as state,
        r.attempts,
        count(l.request_id)::integer as rows,
        coalesce(sum(l.prompt_tokens + l.completion_tokens), 0)::integer as tokens
      from requests r
      left join token_logs l on l.request_id = r.request_id
      where r.user_id = ${userId}
      group by r.request_id, r.status, r.attempts
      order by r.request_id`,
  );
}
