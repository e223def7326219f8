-- Requests and everything that lives as long as they do.

-- Partitioned by the day in the UUIDv7 request_id: the primary key alone stays unique, look-ups by id touch one partition, and
-- retention drops whole partitions. No foreign key to users: its check would lock the user's row once per inserted request.
create table requests (
  request_id uuid not null,
  user_id uuid not null,
  model text not null,
  status text not null default 'queued'
    check (status in ('queued', 'completed', 'failed', 'cancelled', 'expired')),
  prompt bytea not null,
  metadata bytea,
  result bytea,
  error_code text,
  error_message text,
  estimated_tokens bigint not null check (estimated_tokens >= 0),
  prompt_tokens bigint check (prompt_tokens >= 0),
  completion_tokens bigint check (completion_tokens >= 0),
  total_tokens bigint generated always as (prompt_tokens + completion_tokens) stored,
  attempts integer not null default 0 check (attempts >= 0),
  -- UTC day of the windows that hold the estimate; the month follows from it.
  window_day date not null,
  -- The gateway process that accepted the request and has it in its outbox.
  publisher_id uuid not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  started_at timestamptz,
  completed_at timestamptz,
  primary key (request_id),
  constraint requests_terminal_has_an_end check ((status = 'queued') = (completed_at is null)),
  constraint requests_completed_has_a_result check ((status = 'completed') = (result is not null)),
  constraint requests_usage_is_whole check ((prompt_tokens is null) = (completion_tokens is null))
) partition by range (request_id);

-- Ciphertext does not compress: do not try.
alter table requests
  alter column prompt set storage external,
  alter column metadata set storage external,
  alter column result set storage external;

-- Lists of one user, newest first.
create index requests_user_id on requests (user_id, request_id);

-- Open requests: holds of a user, what waits, what a dead gateway left behind. Because `status` is in the predicate, the one update
-- that ends a request cannot be HOT and writes the two other indexes again. That is accepted: without this index the keeper, the
-- rebuild of a user's holds and the waiting gauges would read every request of the retention period. As no update can be HOT, pages
-- are filled to the brim (fillfactor 100).
create index requests_open on requests (user_id, request_id) where status = 'queued';

-- An id outside every day partition is stored here rather than refused; the keeper makes partitions ahead, so it stays empty.
create table requests_default partition of requests default;

-- The lower bound of a UTC day among UUIDv7 ids: 48 bits of Unix milliseconds, then zeros.
create function uuid_floor(day date) returns uuid
  language sql
  immutable
  parallel safe
  return (rpad(lpad(to_hex((extract(epoch from day) * 1000)::bigint), 12, '0'), 32, '0'))::uuid;

-- Makes the partition of a UTC day; answers false if it is there. Attached rather than created in place, because that does not block
-- inserts and reads of other days. Rows that meanwhile landed in the default partition move over.
create function ensure_request_partition(day date) returns boolean
  language plpgsql
as $$
declare
  partition_name constant text := 'requests_' || to_char(day, 'YYYYMMDD');
  columns text;
begin
  -- Two keepers at once: the second waits here and finds it done.
  perform pg_advisory_xact_lock(hashtextextended('tollgate partitions', 0));
  if to_regclass(partition_name) is not null then
    return false;
  end if;
  -- Never make the path of a request wait behind this for long; the keeper tries again.
  perform set_config('lock_timeout', '2s', true);
  execute format('create table %I (like requests including all)', partition_name);
  -- A third of the rows are dead once their requests have ended: vacuum early, so that the index of open requests stays small.
  execute format('alter table %I set (autovacuum_vacuum_scale_factor = 0.05)', partition_name);
  select string_agg(quote_ident(attname), ', ')
    into columns
    from pg_attribute
    where attrelid = 'requests'::regclass and attnum > 0 and not attisdropped and attgenerated = '';
  execute format(
    'with moved as (delete from requests_default where request_id >= %2$L and request_id < %3$L returning *)
     insert into %1$I (%4$s) select %4$s from moved',
    partition_name, uuid_floor(day), uuid_floor(day + 1), columns);
  execute format(
    'alter table requests attach partition %I for values from (%L) to (%L)',
    partition_name, uuid_floor(day), uuid_floor(day + 1));
  return true;
end
$$;

-- Drops the partitions of the days before `day`, except those that still hold an open request; answers the dropped days.
create function drop_request_partitions_before(day date) returns setof date
  language plpgsql
as $$
declare
  partition_name text;
  still_open boolean;
begin
  perform pg_advisory_xact_lock(hashtextextended('tollgate partitions', 0));
  perform set_config('lock_timeout', '2s', true);
  for partition_name in
    select c.relname
      from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'requests'::regclass
        and c.relname ~ '^requests_\d{8}$'
        and c.relname < 'requests_' || to_char(day, 'YYYYMMDD')
      order by c.relname
  loop
    execute format('select exists (select from %I where status = ''queued'')', partition_name) into still_open;
    continue when still_open;
    execute format('alter table requests detach partition %I', partition_name);
    execute format('drop table %I', partition_name);
    return next to_date(right(partition_name, 8), 'YYYYMMDD');
  end loop;
  delete from requests_default where request_id < uuid_floor(day) and status <> 'queued';
end
$$;

-- One row per gateway process. All its requests with an id below confirmed_through are confirmed by the broker; its queued requests
-- from there on are its outbox. Updated twice a second, so leave room on the page for HOT.
create table publishers (
  publisher_id uuid primary key,
  host text not null,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  -- When its outbox was found relayed after it fell silent; null while it lives or has something left.
  done_at timestamptz,
  confirmed_through uuid not null,
  unconfirmed integer not null check (unconfirmed >= 0)
) with (fillfactor = 50);

-- Written in the same statement as the request. The key and the body are kept as keyed hashes only.
create table idempotency_keys (
  user_id uuid not null,
  key_hash bytea not null check (octet_length(key_hash) = 32),
  fingerprint bytea not null check (octet_length(fingerprint) = 32),
  request_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (user_id, key_hash)
);

-- For pruning by age; rows arrive in that order, so a few bytes per thousand rows are enough.
create index idempotency_keys_created_at on idempotency_keys using brin (created_at) with (pages_per_range = 16);
