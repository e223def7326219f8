-- Reads the counters and every hold of a user at one instant, to be compared with PostgreSQL.
--
-- KEYS   user (shared/books.lua)
-- ARGV   instance    run_id of the Redis process that the caller is connected to
--        clock_ms    0: the clock of Redis; otherwise Unix milliseconds, for tests
-- Reply  {'unknown'} or {{'known', …}, {request_id, packed hold, …}}, the first as `snapshot_reply` in
--        shared/snapshot.lua
local instance, clock_ms = unpack(ARGV)

local use = read_use(instance, now(tonumber(clock_ms)))
local snapshot = use and snapshot_reply(use)
if not use or snapshot[1] == 'unknown' then
  return { 'unknown' }
end
return { snapshot, redis.call('HGETALL', holds) }
