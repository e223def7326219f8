-- What the pipeline on Bento stores: the columns and indexes that it needs, not partitioned, the prompt as
-- its pipeline gives it.
create table bento_requests (
  request_id uuid primary key,
  user_id text not null,
  prompt bytea not null,
  status text not null default 'queued',
  estimated_tokens bigint not null,
  created_at timestamptz not null default now()
);

create index bento_requests_user_id on bento_requests (user_id, request_id);
