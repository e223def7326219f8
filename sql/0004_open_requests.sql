-- Overdue requests, those that are due first in front: found without reading every request that waits.
create index requests_overdue on requests (expires_at, request_id) where status = 'queued';

-- Whether a request has a key, asked for the few that a gateway refused or left behind.
create index idempotency_keys_request_id on idempotency_keys (request_id);
