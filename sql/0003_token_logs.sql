-- The ledger: the truth for billing. At most one row per request, never changed, and it outlives the requests. One plain table: its
-- primary key is what makes a second bill impossible, and a partitioned one could not promise that across partitions.
create table token_logs (
  request_id uuid primary key,
  user_id uuid not null,
  model text not null,
  -- UTC day of the windows that the tokens count in: that of the hold, whenever the request ended.
  window_day date not null,
  prompt_tokens bigint not null check (prompt_tokens >= 0),
  completion_tokens bigint not null check (completion_tokens >= 0),
  total_tokens bigint generated always as (prompt_tokens + completion_tokens) stored,
  usage_source text not null check (usage_source in ('reported', 'counted')),
  created_at timestamptz not null default now()
);

-- Sums of a user's windows are read from this index alone.
create index token_logs_user_day on token_logs (user_id, window_day) include (total_tokens);

create function refuse_ledger_change() returns trigger
  language plpgsql
as $$
begin
  raise exception 'token_logs is append-only: % refused', tg_op using errcode = 'restrict_violation';
end
$$;

create trigger token_logs_append_only
  before update or delete or truncate on token_logs
  for each statement execute function refuse_ledger_change();
