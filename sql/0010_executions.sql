-- What was executed and failed has a row of the ledger as well, of its own kind and without tokens, so that
-- the request stays counted and can be proven to be. Every row says how many executions it took, and how many
-- of them failed.

-- null: the request is open, or it was ended by a release that gave what failed no row, and that counted
-- calls in `attempts` that were no executions.
alter table requests add column executions integer;

-- Rows from before, and those of a release that still runs beside this one, are of one execution that ended
-- well. Not validated: they were checked against less, and to read them all would keep collectors waiting.
alter table token_logs
  add column executions integer not null default 1,
  add column failed_executions integer not null default 0,
  drop constraint token_logs_usage_source_check,
  add constraint token_logs_usage_source_check
    check (usage_source in ('reported', 'counted', 'failed')) not valid,
  add constraint token_logs_executions_check
    check (executions >= 1 and failed_executions between 0 and executions) not valid,
  add constraint token_logs_failed_has_no_tokens
    check (
      usage_source <> 'failed'
      or (prompt_tokens = 0 and completion_tokens = 0 and failed_executions = executions)
    ) not valid;

-- Of `requests`, those that failed; and the executions that failed, also of those that did not.
alter table token_days
  add column failed_requests bigint not null default 0,
  add column failed_executions bigint not null default 0;

create or replace function add_to_token_days() returns trigger
  language plpgsql
as $$
begin
  insert into token_days as d (
    user_id, window_day, model, requests, failed_requests, failed_executions, prompt_tokens, completion_tokens
  )
  select
    user_id, window_day, model, count(*), count(*) filter (where usage_source = 'failed'),
    sum(failed_executions), sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint
  from added
  group by user_id, window_day, model
  order by user_id, window_day, model
  on conflict (user_id, window_day, model) do update
  set
    requests = d.requests + excluded.requests,
    failed_requests = d.failed_requests + excluded.failed_requests,
    failed_executions = d.failed_executions + excluded.failed_executions,
    prompt_tokens = d.prompt_tokens + excluded.prompt_tokens,
    completion_tokens = d.completion_tokens + excluded.completion_tokens;
  return null;
end
$$;
