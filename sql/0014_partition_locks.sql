-- Who waits for these locks makes everybody wait behind them, as long as a reader such as a dump has the
-- table: so they wait for a tenth of a second, and the keeper tries again after minutes.
create or replace function drop_request_partitions_before(day date)
 returns setof date
 language plpgsql
as $function$
declare
  partition_name text;
  still_open boolean;
begin
  perform pg_advisory_xact_lock(hashtextextended('tollgate partitions', 0));
  perform set_config('lock_timeout', '100ms', true);
  for partition_name in
    select c.relname
      from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'requests'::regclass
        and c.relname ~ '^requests_\d{8}$'
        and c.relname < 'requests_' || to_char(day, 'YYYYMMDD')
      order by c.relname
  loop
    execute format('select exists (select from %I where status = ''queued'')', partition_name)
      into still_open;
    continue when still_open;
    execute format('alter table requests detach partition %I', partition_name);
    execute format('drop table %I', partition_name);
    return next to_date(right(partition_name, 8), 'YYYYMMDD');
  end loop;
  delete from requests_default where request_id < uuid_floor(day) and status <> 'queued';
end
$function$;

create or replace function ensure_request_partition(day date)
 returns boolean
 language plpgsql
as $function$
declare
  partition_name constant text := 'requests_' || to_char(day, 'YYYYMMDD');
  columns text;
begin
  -- Two keepers at once: the second waits here and finds it done.
  perform pg_advisory_xact_lock(hashtextextended('tollgate partitions', 0));
  if to_regclass(partition_name) is not null then
    return false;
  end if;
  perform set_config('lock_timeout', '100ms', true);
  execute format('create table %I (like requests including all)', partition_name);
  -- A third of the rows are dead once their requests have ended: vacuum early, so that the index of open
  -- requests stays small.
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
$function$;
