import type { Sql } from "../../adapters/postgres/connect.ts";
import { type Call, getCall } from "../load/calls.ts";
import type { Session } from "./session.ts";
import type { BenchUser } from "./users.ts";

/** All that waits has ended within. */
export const BACKLOG_LIMIT_MS = 10 * 60_000;

type Counted = { n: number }[];
const OPEN = (sql: Sql) => sql`select from requests where status = 'queued'`;
const COUNTS = {
  /** Without a terminal state. */
  open: (sql: Sql) => sql<Counted>`select count(*)::int as n from (${OPEN(sql)}) as open`,
  /** 1 or 0, at little cost. */
  "any open": (sql: Sql) =>
    sql<Counted>`select count(*)::int as n from (${OPEN(sql)} limit 1) as open`,
  /** In the ledger. */
  completed: (sql: Sql) => sql<Counted>`select count(*)::int as n from token_logs`,
  parked: (sql: Sql) => sql<Counted>`select count(*)::int as n from parked`,
};

/** How many requests are so now. */
export async function count({ stack }: Session, which: keyof typeof COUNTS): Promise<number> {
  const [row] = await stack.books.database.run(`count ${which}`, COUNTS[which]);
  return row?.n ?? 0;
}

/** A request that the stack has stored, with the key of its user. */
export interface StoredRequest extends BenchUser {
  requestId: string;
}

type Found = { request_id: string; user_id: string }[];
const CHOICES = {
  all: (sql: Sql) => sql<Found>`select request_id, user_id from requests order by request_id`,
  /** One of those in about every hundredth page of the table. */
  "one of each user": (sql: Sql) => sql<Found>`
    select distinct on (user_id) request_id, user_id
    from requests tablesample system (1)
    order by user_id`,
  "a hundred parked": (sql: Sql) => sql<Found>`
    select request_id, user_id from parked order by md5(request_id::text) limit 100`,
};

export async function storedRequests(
  { stack, users }: Session,
  choice: keyof typeof CHOICES,
): Promise<StoredRequest[]> {
  const keys = new Map(users.map(({ userId, apiKey }) => [userId, apiKey]));
  const rows = await stack.books.database.run("choose requests", CHOICES[choice]);
  return rows.map(({ request_id: requestId, user_id: userId }) => {
    return { requestId, userId, apiKey: keys.get(userId) ?? "" };
  });
}

/** `GET /status/{id}` of stored requests. */
export async function statusCalls(...from: Parameters<typeof storedRequests>): Promise<Call[]> {
  const requests = await storedRequests(...from);
  return requests.map(({ requestId, apiKey }) => getCall(`/status/${requestId}`, apiKey));
}
