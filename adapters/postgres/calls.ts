import type { CallClaim, CallEnd, CallState } from "../../core/request/call.ts";
import type { Database } from "./connect.ts";

/** As often as a row can count. */
const TRIES_MAX = 32_767;
/** A gateway gives a sign of life every second; one that is silent for longer has died. */
const SILENT_SECONDS = 2.5;

/**
 * Claims a request that an earlier try of the same call made: that of the latest try, and of these the
 * oldest. Its caller must have gone, or the gateway that held the call must have died. `held`: there is one,
 * whose gateway lives and holds it still.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function claimCall(
  database: Database,
  { userId, fingerprint, tries, holder, madeAfterMs }: CallClaim,
): Promise<CallState> {
  const rows = await database.run(
    "claim a call",
    (sql) => sql<{ request_id: string; is_claimed: boolean }[]>`
      with made as (
        select
          k.key_hash, k.request_id, k.tries,
          k.held_by is not null and exists (
            select
            from publishers p
            where p.publisher_id = k.held_by
              and p.done_at is null
              and p.seen_at > now() - make_interval(secs => ${SILENT_SECONDS}::float8)
          ) as is_held
        from idempotency_keys k
        where k.user_id = ${userId}
          and k.fingerprint = ${fingerprint}::bytea
          and k.tries < ${tries ?? TRIES_MAX}
          and k.created_at > ${madeAfterMs}::timestamptz
      ),
      free as (
        select k.key_hash
        from made m
        join idempotency_keys k on k.user_id = ${userId} and k.key_hash = m.key_hash
        where not m.is_held
          and k.tries = m.tries
        order by m.tries desc, m.request_id
        limit 1
        for update of k skip locked
      ),
      claimed as (
        update idempotency_keys k
        set tries = coalesce(${tries}::smallint, k.tries + 1), held_by = ${holder}
        from free
        where k.user_id = ${userId}
          and k.key_hash = free.key_hash
        returning k.request_id
      )
      select request_id, true as is_claimed from claimed
      union all
      (select request_id, false from made where is_held limit 1)`,
  );
  const claimed = rows.find((row) => row.is_claimed);
  if (claimed !== undefined) return { kind: "claimed", requestId: claimed.request_id };
  return rows.length > 0 ? { kind: "held" } : { kind: "none" };
}

/**
 * Nobody waits for a request any more at this gateway. A repetition may claim it, unless its call was
 * answered: then a call that looks like a repetition of it repeats another one, which failed before it made a
 * request.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function letGoCall(
  database: Database,
  { requestId, userId, holder, isAnswered }: CallEnd & { holder: string },
): Promise<void> {
  await database.run(
    "let a call go",
    (sql) => sql`
      update idempotency_keys
      set
        held_by = null,
        tries = case when ${isAnswered} then null else tries end
      where user_id = ${userId}
        and request_id = ${requestId}
        and held_by = ${holder}`,
  );
}

/**
 * Whether a gateway waits for a request by a call.
 *
 * @throws {Fault} STORE_UNAVAILABLE
 */
export async function isCallHeld(
  database: Database,
  { requestId, userId }: { requestId: string; userId: string },
): Promise<boolean> {
  const [row] = await database.run(
    "look for who waits",
    (sql) => sql<{ is_held: boolean }[]>`
      select held_by is not null as is_held
      from idempotency_keys
      where user_id = ${userId}
        and request_id = ${requestId}`,
  );
  return row?.is_held ?? false;
}
