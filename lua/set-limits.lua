-- Changes the limits of a user that is loaded, and cancels a loading under way, which may have read the old
-- ones.
--
-- KEYS   user (shared/books.lua)
-- ARGV   daily_requests, daily_tokens, monthly_requests, monthly_tokens, concurrent
--        whole numbers; -1: no limit
-- Reply  'set' | 'unknown' (nothing to change: the user is loaded with the new limits)
redis.call('DEL', loading, settled_log)
local known_for_ms = redis.call('PTTL', marker)
if known_for_ms <= 0 then
  return 'unknown'
end
write_limits(ARGV, known_for_ms)
return 'set'
