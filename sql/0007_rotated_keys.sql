-- A rotated key ends with its overlap: expires_at says when. What it said before is kept, so that a successor
-- of the key gets the life that the key was made for, however often it is rotated. meant_expires_at is null
-- for a key that was never to expire, and without meaning while rotated_at is null.
alter table api_keys
  add column rotated_at timestamptz,
  add column meant_expires_at timestamptz;
