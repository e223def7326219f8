-- Requests that are stored and accepted but not published: they wait for their fair turn (decision 009). One
-- narrow row beside the request, written in the statement that stores it and deleted when it has been
-- published.
create table parked (
  request_id uuid primary key,
  model text not null,
  user_id uuid not null,
  -- 0 high, 1 normal, 2 low.
  priority smallint not null check (priority between 0 and 2),
  -- Of the request: within a user's class the earliest goes first, which is the oldest where nobody asked for
  -- a deadline.
  expires_at timestamptz not null,
  estimated_tokens bigint not null check (estimated_tokens >= 0),
  -- The attempt that is to be made, and why the one before failed.
  attempt integer not null default 1 check (attempt >= 1),
  last_error_code text,
  last_error_message text
);

-- Whoever waits, by a loose scan; and what is next of a user.
create index parked_order on parked (model, user_id, priority, expires_at, request_id);

-- Retries whose model could not be called until their time was over.
create index parked_retries on parked (expires_at) where attempt > 1;

-- Rows come and go at the front of the index: dead ones must not pile up there.
alter table parked set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Models that an operator has paused.
create table model_pauses (
  model text primary key,
  paused_by text not null,
  reason text not null,
  paused_at timestamptz not null default now()
);

-- What operators did to requests and models: append-only.
create table operator_actions (
  action_id bigint generated always as identity primary key,
  acted_at timestamptz not null default now(),
  actor text not null,
  action text not null,
  target text not null,
  detail jsonb not null default '{}'
);

create function refuse_operator_action_change() returns trigger
  language plpgsql
as $$
begin
  raise exception 'operator_actions is append-only: % refused', tg_op using errcode = 'restrict_violation';
end
$$;

create trigger operator_actions_append_only
  before update or delete or truncate on operator_actions
  for each statement execute function refuse_operator_action_change();
