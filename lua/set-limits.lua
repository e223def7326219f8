-- Changes the limits of a user that is loaded, and cancels a loading under way, which may have read the old
-- ones.
--
-- KEYS   user (shared/books.lua)
-- ARGV   daily_requests, daily_tokens, monthly_requests, monthly_tokens, concurrent, daily_failed,
--        monthly_failed  whole numbers; -1: no limit
--        clock_ms        0: the clock of Redis; otherwise Unix milliseconds, for tests
-- Reply  'set' | 'unknown' (nothing to change: the user is loaded with the new limits)
redis.call('DEL', loading, settled_log)
local known_for_ms = redis.call('PTTL', marker)
if known_for_ms <= 0 then
  return 'unknown'
end
write_limits(ARGV, known_for_ms)
local failures = failure_books()
local day = day_of(now(tonumber(ARGV[8])))
local counted_failures = failures.read(day)
if not counted_failures then
  return 'unknown'
end
failures.note(day, counted_failures)
return 'set'
