-- What was done to one request or model is asked for by its name.
create index operator_actions_target on operator_actions (target, action_id);

-- Each tier as the configuration had it last. Users keep the limits of a tier that is removed from the file.
create table tiers (
  tier text primary key check (tier ~ '^[a-z0-9-]+$'),
  limits jsonb not null,
  noted_at timestamptz not null default now()
);

-- Who used most today. Rows come in the order of days.
create index token_days_window_day on token_days using brin (window_day) with (pages_per_range = 16);
