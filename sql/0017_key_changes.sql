-- Which keys changed lately, so that gateways stop believing what they and Redis have cached of them, also
-- where Redis could not tell them (decision 019). Triggers write it: no command, no older release and no
-- statement by hand can forget to.
create table key_changes (
  change_id bigint generated always as identity primary key,
  -- Who has seen all that was visible when this was the oldest transaction under way has missed nothing of
  -- earlier ones; changed_at alone would miss what is committed late.
  xact xid8 not null default pg_current_xact_id(),
  changed_at timestamptz not null default now(),
  key_hash bytea not null
);

create index key_changes_xact on key_changes (xact);
create index key_changes_changed_at on key_changes (changed_at);

-- Keeps an hour, which is longer than anybody caches a key.
create function prune_key_changes() returns trigger
  language plpgsql
as $$
begin
  delete from key_changes
  where change_id in (
    select change_id
    from key_changes
    where changed_at < now() - interval '1 hour'
    limit 1000
    for update skip locked
  );
  return null;
end
$$;

create trigger key_changes_prune
  after insert on key_changes
  for each statement execute function prune_key_changes();

create function note_key_change() returns trigger
  language plpgsql
as $$
begin
  insert into key_changes (key_hash) values (old.key_hash);
  return null;
end
$$;

create trigger api_keys_changed
  after update on api_keys
  for each row
  when (
    (old.revoked_at, old.expires_at, old.user_id)
      is distinct from (new.revoked_at, new.expires_at, new.user_id)
  )
  execute function note_key_change();

create trigger api_keys_deleted
  after delete on api_keys
  for each row execute function note_key_change();

-- Gateways know with a key whether its user is active, and the tier of the user's daily window. Keys that are
-- made in the same transaction are cached nowhere.
create function note_key_changes_of_user() returns trigger
  language plpgsql
as $$
begin
  insert into key_changes (key_hash)
  select key_hash
  from api_keys
  where user_id = coalesce(new.user_id, old.user_id)
    and revoked_at is null
    and created_at < now();
  return null;
end
$$;

create trigger users_activity_changed
  after update on users
  for each row
  when (old.active is distinct from new.active)
  execute function note_key_changes_of_user();

create trigger quotas_tier_changed
  after update on quotas
  for each row
  when (new.reset_frequency = 'daily' and old.tier is distinct from new.tier)
  execute function note_key_changes_of_user();

create trigger quotas_tier_set
  after insert on quotas
  for each row
  when (new.reset_frequency = 'daily')
  execute function note_key_changes_of_user();
