-- Reads the windows of a user; takes nothing.
--
-- KEYS   user (shared/books.lua)
-- ARGV   instance    run_id of the Redis process that the caller is connected to
--        clock_ms    0: the clock of Redis; otherwise Unix milliseconds, for tests
-- Reply  {'unknown'} or {'known', …} as `snapshot_reply` in shared/snapshot.lua
local instance, clock_ms = unpack(ARGV)

local use = read_use(instance, now(tonumber(clock_ms)))
if not use then
  return { 'unknown' }
end
return snapshot_reply(use)
