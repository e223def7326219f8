-- Calls of SDKs that repeat themselves without an Idempotency-Key. Their request has a key that nobody knows,
-- and the repetition finds it by user and fingerprint.
alter table idempotency_keys
  -- How often the call was repeated so far; null: a key that a caller gave.
  add column tries smallint check (tries >= 0),
  -- The gateway whose caller waits for it; null: nobody does.
  add column held_by uuid;

create index idempotency_keys_calls on idempotency_keys (user_id, fingerprint) where tries is not null;
