-- Who calls, how they authenticate, and what they may use.

create table users (
  user_id uuid primary key,
  name text not null check (length(name) between 1 and 200),
  email text not null check (length(email) between 3 and 320),
  created_at timestamptz not null default now(),
  active boolean not null default true,
  -- Requests that may be open at once: null takes the tier's value, -1 means no limit.
  concurrent_limit integer check (concurrent_limit = -1 or concurrent_limit >= 1)
);

create unique index users_email_key on users (lower(email));

-- One row per user and window. A null limit takes the tier's value from the configuration, -1 means no limit. A user without a row
-- has the configuration's default_tier.
create table quotas (
  quota_id uuid primary key default gen_random_uuid(),
  user_id uuid not null references users on delete cascade,
  tier text not null check (tier ~ '^[a-z0-9-]+$'),
  reset_frequency text not null check (reset_frequency in ('daily', 'monthly')),
  request_limit bigint check (request_limit >= -1),
  token_limit bigint check (token_limit >= -1),
  unique (user_id, reset_frequency)
);

-- The key itself is stored nowhere: only its keyed hash, and what a person needs to recognise it in a list.
create table api_keys (
  key_id uuid primary key,
  user_id uuid not null references users on delete cascade,
  key_hash bytea not null unique check (octet_length(key_hash) = 32),
  prefix text not null check (length(prefix) <= 16),
  last4 text not null check (length(last4) = 4),
  name text not null check (length(name) <= 200),
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz
);

create index api_keys_user_id on api_keys (user_id);
