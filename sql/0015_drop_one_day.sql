-- Drops the partition of a UTC day, in a transaction of its own, so that whoever reads one day keeps no
-- other. Answers 'dropped', 'open' (it has an open request), 'read' (somebody reads it, and is not waited
-- for) or 'absent'. For whoever reads all days at once it waits for a tenth of a second, and fails.
create function drop_request_partition(day date)
 returns text
 language plpgsql
as $function$
declare
  partition_name constant text := 'requests_' || to_char(day, 'YYYYMMDD');
  still_open boolean;
begin
  perform pg_advisory_xact_lock(hashtextextended('tollgate partitions', 0));
  perform set_config('lock_timeout', '100ms', true);
  if to_regclass(partition_name) is null then
    return 'absent';
  end if;
  execute format('select exists (select from %I where status = ''queued'')', partition_name)
    into still_open;
  if still_open then
    return 'open';
  end if;
  -- In the order in which every query takes them.
  lock table only requests in access exclusive mode;
  begin
    execute format('lock table %I in access exclusive mode nowait', partition_name);
  exception when lock_not_available then
    return 'read';
  end;
  execute format('alter table requests detach partition %I', partition_name);
  execute format('drop table %I', partition_name);
  return 'dropped';
end
$function$;
