-- The sums of the ledger by user, day and model, kept by the database itself in the transaction of each bill. A user's windows and usage
-- are read from here: as many rows as days and models, however many requests there were.
create table token_days (
  user_id uuid not null,
  window_day date not null,
  model text not null,
  requests bigint not null,
  prompt_tokens bigint not null,
  completion_tokens bigint not null,
  total_tokens bigint generated always as (prompt_tokens + completion_tokens) stored,
  primary key (user_id, window_day, model)
) with (fillfactor = 50);

-- No bill between the sum of what is there and the trigger.
lock table token_logs in share row exclusive mode;

insert into token_days (user_id, window_day, model, requests, prompt_tokens, completion_tokens)
select user_id, window_day, model, count(*), sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint
from token_logs
group by user_id, window_day, model;

-- In one order everywhere, so that two batches with the same users wait for each other instead of deadlocking.
create function add_to_token_days() returns trigger
  language plpgsql
as $$
begin
  insert into token_days as d (user_id, window_day, model, requests, prompt_tokens, completion_tokens)
  select user_id, window_day, model, count(*), sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint
  from added
  group by user_id, window_day, model
  order by user_id, window_day, model
  on conflict (user_id, window_day, model) do update
  set
    requests = d.requests + excluded.requests,
    prompt_tokens = d.prompt_tokens + excluded.prompt_tokens,
    completion_tokens = d.completion_tokens + excluded.completion_tokens;
  return null;
end
$$;

create trigger token_logs_add_to_days
  after insert on token_logs
  referencing new table as added
  for each statement execute function add_to_token_days();

drop index token_logs_user_day;

-- For reports over a time; rows arrive in that order.
create index token_logs_created_at on token_logs using brin (created_at) with (pages_per_range = 16);
