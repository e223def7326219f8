import type { ParkedRef, WaitingTurn } from "../../core/queue/lane.ts";
import type { ParkedPlace } from "../../core/queue/parked.ts";
import { idTimeMs } from "../ids/id-time.ts";
import { numberArray, textArray } from "./arrays.ts";
import type { Database } from "./connect.ts";
import { FIRST_ID, priorityNumber, priorityOf } from "./request-rows.ts";

/**
 * Who has parked requests, by model and class, in a stable order: a loose scan that reads one row of each,
 * however many wait. `after` is the last of the page before; null: from the first on.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function waitingTurns(
  database: Database,
  after: ParkedRef | null,
  limit: number,
): Promise<WaitingTurn[]> {
  const { model, userId, priority } = after ?? { model: "", userId: FIRST_ID, priority: null };
  const rows = await database.run(
    "find who waits",
    (sql) => sql<{ model: string; user_id: string; priority: number; request_id: string }[]>`
      with recursive turn as (
        (
          select model, user_id, priority, request_id
          from parked
          where (model, user_id, priority) > (
            ${model}, ${userId}::uuid, ${priority === null ? -1 : priorityNumber(priority)}::smallint
          )
          order by model, user_id, priority, expires_at, request_id
          limit 1
        )
        union all
        select next.model, next.user_id, next.priority, next.request_id
        from
          turn,
          lateral (
            select p.model, p.user_id, p.priority, p.request_id
            from parked p
            where (p.model, p.user_id, p.priority) > (turn.model, turn.user_id, turn.priority)
            order by p.model, p.user_id, p.priority, p.expires_at, p.request_id
            limit 1
          ) as next
      )
      select model, user_id, priority, request_id
      from turn
      limit ${limit}`,
  );
  return rows.map((row) => ({
    model: row.model,
    userId: row.user_id,
    priority: priorityOf(row.priority),
    sinceMs: idTimeMs(row.request_id),
  }));
}

/**
 * The next requests of each turn, at most `counts[i]` of the i-th, in the order in which they are due.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function nextParked(
  database: Database,
  turns: readonly ParkedRef[],
  counts: readonly number[],
): Promise<ParkedPlace[][]> {
  if (turns.length === 0) return [];
  const rows = await database.run(
    "find the next parked requests",
    (sql) => sql<{ position: number; request_id: string; estimated_tokens: number }[]>`
      select turn.position::integer, next.request_id, next.estimated_tokens
      from
        unnest(
          ${textArray(turns.map(({ model }) => model))}::text[],
          ${textArray(turns.map(({ userId }) => userId))}::uuid[],
          ${numberArray(turns.map(({ priority }) => priorityNumber(priority)))}::smallint[],
          ${numberArray(counts)}::integer[]
        ) with ordinality as turn (model, user_id, priority, count, position),
        lateral (
          select p.request_id, p.estimated_tokens, p.expires_at
          from parked p
          where p.model = turn.model
            and p.user_id = turn.user_id
            and p.priority = turn.priority
          order by p.expires_at, p.request_id
          limit turn.count
        ) as next
      order by turn.position, next.expires_at, next.request_id`,
  );
  const places: ParkedPlace[][] = turns.map(() => []);
  for (const row of rows) {
    places[row.position - 1]?.push({
      requestId: row.request_id,
      estimatedTokens: row.estimated_tokens,
    });
  }
  return places;
}
