import type { Database } from "./connect.ts";
import { OPEN_COLUMNS, type OpenRow, queuedOf } from "./request-rows.ts";
import type { DeadOutbox, OutboxEntry, PublisherNote } from "../../core/request/stored-request.ts";

/**
 * Notes that a gateway lives and how far the broker has confirmed. Its first note must be committed before
 * its first request is. What the gateway notes goes before what a keeper noted that took it for dead: a row
 * that was being committed while the keeper looked may have a smaller id than what the keeper relayed. That
 * makes duplicates, should the gateway really die; the other way round would make losses.
 */
export async function notePublisher(database: Database, note: PublisherNote): Promise<void> {
  await database.run(
    "note the outbox",
    (sql) => sql`
      insert into publishers (publisher_id, host, confirmed_through, unconfirmed)
      values (${note.publisherId}, ${note.host}, ${note.confirmedThrough}, ${note.unconfirmed})
      on conflict (publisher_id) do update
      set
        seen_at = now(),
        done_at = null,
        confirmed_through = excluded.confirmed_through,
        unconfirmed = excluded.unconfirmed`,
  );
}

/**
 * Reads the outboxes of gateways that have noted nothing for `silentMs` by the server's clock and are not
 * done, at most `limit` entries in all. Empty ones are returned too: they can be noted as done.
 */
export async function outboxOfDeadPublishers(
  database: Database,
  silentMs: number,
  limit: number,
): Promise<DeadOutbox[]> {
  const silent = await database.run(
    "find silent gateways",
    (sql) => sql<{ publisher_id: string }[]>`
      select publisher_id
      from publishers
      where done_at is null
        and seen_at < now() - make_interval(secs => ${silentMs / 1_000}::float8)
      order by seen_at`,
  );
  const outboxes: DeadOutbox[] = [];
  let left = limit;
  for (const { publisher_id: publisherId } of silent) {
    if (left === 0) break;
    const entries = await outboxOf(database, publisherId, left);
    outboxes.push({ publisherId, entries, isComplete: entries.length < left });
    left -= entries.length;
  }
  return outboxes;
}

async function outboxOf(
  database: Database,
  publisherId: string,
  limit: number,
): Promise<OutboxEntry[]> {
  const rows = await database.run(
    "read the outbox of a dead gateway",
    (sql) => sql<(OpenRow & { is_keyed: boolean })[]>`
      select ${sql(OPEN_COLUMNS)}, is_keyed
      from
        requests r,
        -- For each row alone: the server may carry out a plain EXISTS by reading all keys.
        lateral (
          select count(*) > 0 as is_keyed
          from (select from idempotency_keys k where k.request_id = r.request_id limit 1) as key
        ) as keyed
      where status = 'queued'
        and publisher_id = ${publisherId}
        and request_id >= (select confirmed_through from publishers where publisher_id = ${publisherId})
        -- What is parked waits for the dispatcher.
        and not exists (select from parked p where p.request_id = r.request_id)
      order by request_id
      limit ${limit}`,
  );
  return rows.map((row) => ({ request: queuedOf(row), isKeyed: row.is_keyed }));
}

/**
 * Notes for a silent gateway that its outbox is relayed up to and including a request. It stays silent. One
 * that has noted something within `silentMs` is left alone: it woke up since its outbox was read, and what it
 * notes itself counts.
 */
export async function noteRelayed(
  database: Database,
  publisherId: string,
  throughRequestId: string,
  silentMs: number,
): Promise<void> {
  await database.run(
    "note a relayed outbox",
    (sql) => sql`
      update publishers
      set confirmed_through = greatest(confirmed_through, ${idAfter(throughRequestId)}::uuid)
      where publisher_id = ${publisherId}
        and seen_at < now() - make_interval(secs => ${silentMs / 1_000}::float8)`,
  );
}

/**
 * Notes that a silent gateway has nothing left to relay. It is not looked at again until it notes something
 * itself. One that has noted something within `silentMs` is left alone: if it were done, nobody would relay
 * what it has stored since.
 */
export async function publisherDone(
  database: Database,
  publisherId: string,
  silentMs: number,
): Promise<void> {
  await database.run(
    "note an empty outbox",
    (sql) => sql`
      update publishers
      set
        done_at = now(),
        unconfirmed = 0
      where publisher_id = ${publisherId}
        and seen_at < now() - make_interval(secs => ${silentMs / 1_000}::float8)`,
  );
}

/** Deletes gateways that are done and noted something last before an instant; returns how many. */
export async function deletePublishersBefore(
  database: Database,
  seenBeforeMs: number,
): Promise<number> {
  const { count } = await database.run(
    "forget gateways",
    (sql) => sql`
      delete from publishers
      where done_at is not null
        and seen_at < ${seenBeforeMs}::timestamptz`,
  );
  return count;
}

/** Returns how many requests are stored but not confirmed, by what the gateways noted last. */
export async function outboxDepth(database: Database): Promise<number> {
  const [row] = await database.run(
    "sum the outboxes",
    (sql) => sql<{ depth: number }[]>`
      select coalesce(sum(unconfirmed), 0)::bigint as depth from publishers`,
  );
  return row?.depth ?? 0;
}

/** The next UUID in the order of bytes, which is PostgreSQL's order of `uuid`. */
function idAfter(id: string): string {
  const digits = (BigInt(`0x${id.replaceAll("-", "")}`) + 1n).toString(16).padStart(32, "0");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Gateways that have noted something within `silentMs`. @throws {Fault} STORE_UNAVAILABLE */
export async function countLivePublishers(database: Database, silentMs: number): Promise<number> {
  const [row] = await database.run(
    "count gateways",
    (sql) => sql<{ gateways: number }[]>`
      select count(*)::integer as gateways
      from publishers
      where done_at is null
        and seen_at >= now() - make_interval(secs => ${silentMs / 1_000}::float8)`,
  );
  return row?.gateways ?? 0;
}
