-- Removes the mark of an attempt that ended, without its worker dying and without ending the request, and
-- notes how far the request has come. The mark of another start stays: a worker that lost its channel may
-- call this after the broker gave the request to the next one.
--
-- KEYS   started        the mark, as start.lua sets it
-- ARGV   started_at_ms  of the attempt, as given to start.lua; '': none was begun, so any mark stays
--        attempts_made  attempts that have ended so far; above 0 that is remembered, because such a request
--                       does not expire any more, and so is when the last one started
--        error_code     why the attempt failed, or why the request was put off; '': there is nothing to tell
--        error_message  the same in words
-- Reply  'cleared' or 'kept'
local started = KEYS[1]
local started_at_ms, attempts_made, error_code, error_message = unpack(ARGV)

-- Longer than a request may wait for its next attempt, which is its queue_ttl of a week at most; settling
-- removes it before.
local NOTED_TTL_MS = 8 * 24 * 3600000

local marked_at_ms, last_at_ms = unpack(redis.call('HMGET', started, 'startedAtMs', 'lastStartedAtMs'))
if marked_at_ms and marked_at_ms ~= started_at_ms then
  return 'kept'
end
redis.call('DEL', started)
if tonumber(attempts_made) > 0 then
  redis.call('HSET', started, 'attemptsMade', attempts_made)
  last_at_ms = marked_at_ms or last_at_ms
  if last_at_ms then
    redis.call('HSET', started, 'lastStartedAtMs', last_at_ms)
  end
end
if error_code ~= '' then
  redis.call('HSET', started, 'lastErrorCode', error_code, 'lastErrorMessage', error_message)
end
redis.call('PEXPIRE', started, NOTED_TTL_MS)
return 'cleared'
