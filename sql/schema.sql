-- The schema after all migrations. Compared with the migrated database by
-- adapters/postgres/migrate.test.ts, which also says how to write it anew. Change it only by adding a
-- migration.

create table api_keys (
  key_id uuid not null,
  user_id uuid not null,
  key_hash bytea not null,
  prefix text not null,
  last4 text not null,
  name text not null,
  created_at timestamp with time zone default now() not null,
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  rotated_at timestamp with time zone,
  meant_expires_at timestamp with time zone,
  models text[],
  routes text[],
  constraint api_keys_key_hash_check CHECK ((octet_length(key_hash) = 32)),
  constraint api_keys_key_hash_key UNIQUE (key_hash),
  constraint api_keys_last4_check CHECK ((length(last4) = 4)),
  constraint api_keys_models_check CHECK ((cardinality(models) > 0)),
  constraint api_keys_name_check CHECK ((length(name) <= 200)),
  constraint api_keys_pkey PRIMARY KEY (key_id),
  constraint api_keys_prefix_check CHECK ((length(prefix) <= 16)),
  constraint api_keys_routes_check CHECK (((cardinality(routes) > 0) AND (routes <@ ARRAY['submit'::text, 'read'::text, 'cancel'::text]))),
  constraint api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(user_id) ON DELETE CASCADE
);

create table idempotency_keys (
  user_id uuid not null,
  key_hash bytea not null,
  fingerprint bytea not null,
  request_id uuid not null,
  created_at timestamp with time zone default now() not null,
  tries smallint,
  held_by uuid,
  constraint idempotency_keys_fingerprint_check CHECK ((octet_length(fingerprint) = 32)),
  constraint idempotency_keys_key_hash_check CHECK ((octet_length(key_hash) = 32)),
  constraint idempotency_keys_pkey PRIMARY KEY (user_id, key_hash),
  constraint idempotency_keys_tries_check CHECK ((tries >= 0))
);

create table key_changes (
  change_id bigint not null,
  xact xid8 default pg_current_xact_id() not null,
  changed_at timestamp with time zone default now() not null,
  key_hash bytea not null,
  constraint key_changes_pkey PRIMARY KEY (change_id)
);

create table model_pauses (
  model text not null,
  paused_by text not null,
  reason text not null,
  paused_at timestamp with time zone default now() not null,
  constraint model_pauses_pkey PRIMARY KEY (model)
);

create table operator_actions (
  action_id bigint not null,
  acted_at timestamp with time zone default now() not null,
  actor text not null,
  action text not null,
  target text not null,
  detail jsonb default '{}'::jsonb not null,
  reason text,
  before jsonb,
  after jsonb,
  constraint operator_actions_pkey PRIMARY KEY (action_id)
);

create table parked (
  request_id uuid not null,
  model text not null,
  user_id uuid not null,
  priority smallint not null,
  expires_at timestamp with time zone not null,
  estimated_tokens bigint not null,
  attempt integer default 1 not null,
  last_error_code text,
  last_error_message text,
  constraint parked_attempt_check CHECK ((attempt >= 1)),
  constraint parked_estimated_tokens_check CHECK ((estimated_tokens >= 0)),
  constraint parked_pkey PRIMARY KEY (request_id),
  constraint parked_priority_check CHECK (((priority >= 0) AND (priority <= 2)))
) with (autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_cost_delay=0);

create table publishers (
  publisher_id uuid not null,
  host text not null,
  started_at timestamp with time zone default now() not null,
  seen_at timestamp with time zone default now() not null,
  done_at timestamp with time zone,
  confirmed_through uuid not null,
  unconfirmed integer not null,
  constraint publishers_pkey PRIMARY KEY (publisher_id),
  constraint publishers_unconfirmed_check CHECK ((unconfirmed >= 0))
) with (fillfactor=50);

create table quotas (
  quota_id uuid default gen_random_uuid() not null,
  user_id uuid not null,
  tier text not null,
  reset_frequency text not null,
  request_limit bigint,
  token_limit bigint,
  constraint quotas_pkey PRIMARY KEY (quota_id),
  constraint quotas_request_limit_check CHECK ((request_limit >= '-1'::integer)),
  constraint quotas_reset_frequency_check CHECK ((reset_frequency = ANY (ARRAY['daily'::text, 'monthly'::text]))),
  constraint quotas_tier_check CHECK ((tier ~ '^[a-z0-9-]+$'::text)),
  constraint quotas_token_limit_check CHECK ((token_limit >= '-1'::integer)),
  constraint quotas_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(user_id) ON DELETE CASCADE,
  constraint quotas_user_id_reset_frequency_key UNIQUE (user_id, reset_frequency)
);

create table requests (
  request_id uuid not null,
  user_id uuid not null,
  model text not null,
  status text default 'queued'::text not null,
  prompt bytea storage external not null,
  metadata bytea storage external,
  result bytea storage external,
  error_code text,
  error_message text,
  estimated_tokens bigint not null,
  prompt_tokens bigint,
  completion_tokens bigint,
  total_tokens bigint generated always as (prompt_tokens + completion_tokens) stored,
  attempts integer default 0 not null,
  window_day date not null,
  publisher_id uuid not null,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone not null,
  started_at timestamp with time zone,
  completed_at timestamp with time zone,
  executions integer,
  priority smallint,
  error_detail bytea,
  constraint requests_attempts_check CHECK ((attempts >= 0)),
  constraint requests_completed_has_a_result CHECK (((status = 'completed'::text) = (result IS NOT NULL))),
  constraint requests_completion_tokens_check CHECK ((completion_tokens >= 0)),
  constraint requests_estimated_tokens_check CHECK ((estimated_tokens >= 0)),
  constraint requests_pkey PRIMARY KEY (request_id),
  constraint requests_prompt_tokens_check CHECK ((prompt_tokens >= 0)),
  constraint requests_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'completed'::text, 'failed'::text, 'cancelled'::text, 'expired'::text]))),
  constraint requests_terminal_has_an_end CHECK (((status = 'queued'::text) = (completed_at IS NULL))),
  constraint requests_usage_is_whole CHECK (((prompt_tokens IS NULL) = (completion_tokens IS NULL)))
) partition by RANGE (request_id);

create table schema_migrations (
  version integer not null,
  name text not null,
  checksum text not null,
  applied_at timestamp with time zone default now() not null,
  constraint schema_migrations_pkey PRIMARY KEY (version)
);

create table tiers (
  tier text not null,
  limits jsonb not null,
  noted_at timestamp with time zone default now() not null,
  constraint tiers_pkey PRIMARY KEY (tier),
  constraint tiers_tier_check CHECK ((tier ~ '^[a-z0-9-]+$'::text))
);

create table token_days (
  user_id uuid not null,
  window_day date not null,
  model text not null,
  requests bigint not null,
  prompt_tokens bigint not null,
  completion_tokens bigint not null,
  total_tokens bigint generated always as (prompt_tokens + completion_tokens) stored,
  failed_requests bigint default 0 not null,
  failed_executions bigint default 0 not null,
  cached_tokens bigint default 0 not null,
  reasoning_tokens bigint default 0 not null,
  constraint token_days_pkey PRIMARY KEY (user_id, window_day, model)
) with (fillfactor=50);

create table token_logs (
  request_id uuid not null,
  user_id uuid not null,
  model text not null,
  window_day date not null,
  prompt_tokens bigint not null,
  completion_tokens bigint not null,
  total_tokens bigint generated always as (prompt_tokens + completion_tokens) stored,
  usage_source text not null,
  created_at timestamp with time zone default now() not null,
  executions integer default 1 not null,
  failed_executions integer default 0 not null,
  cached_tokens bigint default 0 not null,
  reasoning_tokens bigint default 0 not null,
  constraint token_logs_completion_tokens_check CHECK ((completion_tokens >= 0)),
  constraint token_logs_details_are_parts CHECK ((((cached_tokens >= 0) AND (cached_tokens <= prompt_tokens)) AND ((reasoning_tokens >= 0) AND (reasoning_tokens <= completion_tokens)))) NOT VALID,
  constraint token_logs_executions_check CHECK (((executions >= 1) AND ((failed_executions >= 0) AND (failed_executions <= executions)))) NOT VALID,
  constraint token_logs_failed_has_no_tokens CHECK (((usage_source <> 'failed'::text) OR ((prompt_tokens = 0) AND (completion_tokens = 0) AND (failed_executions = executions)))) NOT VALID,
  constraint token_logs_pkey PRIMARY KEY (request_id),
  constraint token_logs_prompt_tokens_check CHECK ((prompt_tokens >= 0)),
  constraint token_logs_usage_source_check CHECK ((usage_source = ANY (ARRAY['reported'::text, 'counted'::text, 'failed'::text]))) NOT VALID
);

create table users (
  user_id uuid not null,
  name text not null,
  email text not null,
  created_at timestamp with time zone default now() not null,
  active boolean default true not null,
  concurrent_limit integer,
  email_folded text,
  constraint users_concurrent_limit_check CHECK (((concurrent_limit = '-1'::integer) OR (concurrent_limit >= 1))),
  constraint users_email_check CHECK (((length(email) >= 3) AND (length(email) <= 320))),
  constraint users_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
  constraint users_pkey PRIMARY KEY (user_id)
);

CREATE INDEX api_keys_user_id ON public.api_keys USING btree (user_id);

CREATE INDEX idempotency_keys_calls ON public.idempotency_keys USING btree (user_id, fingerprint) WHERE (tries IS NOT NULL);

CREATE INDEX idempotency_keys_created_at ON public.idempotency_keys USING brin (created_at) WITH (pages_per_range='16');

CREATE INDEX idempotency_keys_request_id ON public.idempotency_keys USING btree (request_id);

CREATE INDEX key_changes_changed_at ON public.key_changes USING btree (changed_at);

CREATE INDEX key_changes_xact ON public.key_changes USING btree (xact);

CREATE INDEX operator_actions_actor ON public.operator_actions USING btree (actor, action_id);

CREATE INDEX operator_actions_target ON public.operator_actions USING btree (target, action_id);

CREATE INDEX parked_order ON public.parked USING btree (model, user_id, priority, expires_at, request_id);

CREATE INDEX parked_retries ON public.parked USING btree (expires_at) WHERE (attempt > 1);

CREATE INDEX requests_expiring ON ONLY public.requests USING btree (expires_at, request_id) WHERE (status = 'queued'::text);

CREATE INDEX requests_not_completed ON ONLY public.requests USING btree (user_id, status, request_id) WHERE (status = ANY (ARRAY['failed'::text, 'cancelled'::text, 'expired'::text]));

CREATE INDEX requests_open ON ONLY public.requests USING btree (user_id, request_id) WHERE (status = 'queued'::text);

CREATE INDEX requests_user_id ON ONLY public.requests USING btree (user_id, request_id);

CREATE INDEX token_days_window_day ON public.token_days USING brin (window_day) WITH (pages_per_range='16');

CREATE INDEX token_logs_created_at ON public.token_logs USING brin (created_at) WITH (pages_per_range='16');

CREATE UNIQUE INDEX users_email_folded_key ON public.users USING btree (email_folded);

CREATE UNIQUE INDEX users_email_key ON public.users USING btree (lower(email));

CREATE OR REPLACE FUNCTION public.add_to_token_days()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  insert into token_days as d (
    user_id, window_day, model, requests, failed_requests, failed_executions, prompt_tokens,
    completion_tokens, cached_tokens, reasoning_tokens
  )
  select
    user_id, window_day, model, count(*), count(*) filter (where usage_source = 'failed'),
    sum(failed_executions), sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint,
    sum(cached_tokens)::bigint, sum(reasoning_tokens)::bigint
  from added
  group by user_id, window_day, model
  order by user_id, window_day, model
  on conflict (user_id, window_day, model) do update
  set
    requests = d.requests + excluded.requests,
    failed_requests = d.failed_requests + excluded.failed_requests,
    failed_executions = d.failed_executions + excluded.failed_executions,
    prompt_tokens = d.prompt_tokens + excluded.prompt_tokens,
    completion_tokens = d.completion_tokens + excluded.completion_tokens,
    cached_tokens = d.cached_tokens + excluded.cached_tokens,
    reasoning_tokens = d.reasoning_tokens + excluded.reasoning_tokens;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.drop_request_partition(day date)
 RETURNS text
 LANGUAGE plpgsql
AS $function$
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

CREATE OR REPLACE FUNCTION public.drop_request_partitions_before(day date)
 RETURNS SETOF date
 LANGUAGE plpgsql
AS $function$
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

CREATE OR REPLACE FUNCTION public.ensure_request_partition(day date)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
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

CREATE OR REPLACE FUNCTION public.note_key_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  insert into key_changes (key_hash) values (old.key_hash);
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.note_key_changes_of_user()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  insert into key_changes (key_hash)
  select key_hash
  from api_keys
  where user_id = coalesce(new.user_id, old.user_id)
    and revoked_at is null
    and created_at < now();
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.prune_key_changes()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.refuse_ledger_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'token_logs is append-only: % refused', tg_op using errcode = 'restrict_violation';
end
$function$;

CREATE OR REPLACE FUNCTION public.refuse_operator_action_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  raise exception 'operator_actions is append-only: % refused', tg_op using errcode = 'restrict_violation';
end
$function$;

CREATE OR REPLACE FUNCTION public.uuid_floor(day date)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (rpad(lpad(to_hex(((EXTRACT(epoch FROM day) * (1000)::numeric))::bigint), 12, '0'::text), 32, '0'::text))::uuid;

CREATE TRIGGER api_keys_changed AFTER UPDATE ON public.api_keys FOR EACH ROW WHEN ((((old.revoked_at IS DISTINCT FROM new.revoked_at) OR (old.expires_at IS DISTINCT FROM new.expires_at)) OR (old.user_id IS DISTINCT FROM new.user_id))) EXECUTE FUNCTION note_key_change();

CREATE TRIGGER api_keys_deleted AFTER DELETE ON public.api_keys FOR EACH ROW EXECUTE FUNCTION note_key_change();

CREATE TRIGGER key_changes_prune AFTER INSERT ON public.key_changes FOR EACH STATEMENT EXECUTE FUNCTION prune_key_changes();

CREATE TRIGGER operator_actions_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.operator_actions FOR EACH STATEMENT EXECUTE FUNCTION refuse_operator_action_change();

CREATE TRIGGER quotas_tier_changed AFTER UPDATE ON public.quotas FOR EACH ROW WHEN (((new.reset_frequency = 'daily'::text) AND (old.tier IS DISTINCT FROM new.tier))) EXECUTE FUNCTION note_key_changes_of_user();

CREATE TRIGGER quotas_tier_set AFTER INSERT ON public.quotas FOR EACH ROW WHEN ((new.reset_frequency = 'daily'::text)) EXECUTE FUNCTION note_key_changes_of_user();

CREATE TRIGGER token_logs_add_to_days AFTER INSERT ON public.token_logs REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION add_to_token_days();

CREATE TRIGGER token_logs_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.token_logs FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change();

CREATE TRIGGER users_activity_changed AFTER UPDATE ON public.users FOR EACH ROW WHEN ((old.active IS DISTINCT FROM new.active)) EXECUTE FUNCTION note_key_changes_of_user();
