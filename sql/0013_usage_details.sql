-- What the ML service said of a failure, in its own words and hence sealed; null: it said nothing, or the
-- request did not fail.
alter table requests add column error_detail bytea;

-- Parts of what is billed: prompt tokens that came from a cache, and completion tokens of hidden reasoning.
-- 0 also where the ML service said nothing of them. Not validated: old rows have 0, and to read them all
-- would keep collectors waiting.
alter table token_logs
  add column cached_tokens bigint not null default 0,
  add column reasoning_tokens bigint not null default 0,
  add constraint token_logs_details_are_parts
    check (cached_tokens between 0 and prompt_tokens and reasoning_tokens between 0 and completion_tokens)
    not valid;

alter table token_days
  add column cached_tokens bigint not null default 0,
  add column reasoning_tokens bigint not null default 0;

create or replace function add_to_token_days() returns trigger
  language plpgsql
as $$
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
$$;
