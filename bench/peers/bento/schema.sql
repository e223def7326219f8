-- What the pipeline on Bento stores: the columns and indexes that it needs, not partitioned, prompts in clear text.
create table requests (
  request_id uuid primary key,
  user_id text not null,
  prompt text not null,
  status text not null default 'queued',
  estimated_tokens bigint not null,
  created_at timestamptz not null default now()
);

create index requests_user_id on requests (user_id, request_id);
