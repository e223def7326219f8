-- Open requests, those that expire first in front: the overdue ones are found without reading all that wait, and all are read page by page.
create index requests_expiring on requests (expires_at, request_id) where status = 'queued';

-- Whether a request has a key, asked for the few that a gateway refused or left behind.
create index idempotency_keys_request_id on idempotency_keys (request_id);

-- The few that ended otherwise, which people look for among the many that completed.
create index requests_not_completed on requests (user_id, status, request_id)
  where status in ('failed', 'cancelled', 'expired');
