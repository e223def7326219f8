-- Removes the mark of an attempt that ended, without its worker dying and without ending the request. The
-- mark of another start stays: a worker that lost its channel may call this after the broker gave the request
-- to the next one.
--
-- KEYS   started        the mark, as start.lua sets it
-- ARGV   started_at_ms  of the attempt, as given to start.lua
--        attempts_made  attempts that have ended so far; above 0 that is remembered, because such a request
--                       does not expire any more
-- Reply  'cleared' or 'kept'
local started = KEYS[1]
local started_at_ms, attempts_made = unpack(ARGV)

-- Longer than a request may wait between two attempts; settling removes it before.
local ATTEMPTS_MADE_TTL_MS = 24 * 3600000

local marked_at_ms = redis.call('HGET', started, 'startedAtMs')
if marked_at_ms and marked_at_ms ~= started_at_ms then
  return 'kept'
end
redis.call('DEL', started)
if tonumber(attempts_made) > 0 then
  redis.call('HSET', started, 'attemptsMade', attempts_made)
  redis.call('PEXPIRE', started, ATTEMPTS_MADE_TTL_MS)
end
return 'cleared'
