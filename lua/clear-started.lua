-- Takes back the mark of an attempt that ended in its worker's hands without ending the request.
--
-- KEYS   started        the mark, as start.lua sets it
-- ARGV   attempts_made  attempts that have ended so far; above 0 that is remembered, because such a request does not expire any more
-- Reply  'cleared'
local started = KEYS[1]
local attempts_made = ARGV[1]

-- Longer than a request may wait between two attempts; settling removes it before.
local ATTEMPTS_MADE_TTL_MS = 24 * 3600000

redis.call('DEL', started)
if tonumber(attempts_made) > 0 then
  redis.call('HSET', started, 'attemptsMade', attempts_made)
  redis.call('PEXPIRE', started, ATTEMPTS_MADE_TTL_MS)
end
return 'cleared'
