-- Marks that a worker begins an attempt. If the broker delivers a request again while the mark of an earlier
-- start is still there, its worker died during the attempt: that counts as a crash. Neighbours that the dead
-- worker had not started have no mark.
--
-- KEYS   started    the mark, a hash of attempt, startedAtMs, crashes; and attemptsMade, lastStartedAtMs,
--                   lastErrorCode, lastErrorMessage (clear-started.lua), delayedUntilMs (request-hints.ts)
--        cancelled  present when the user cancelled the request
-- ARGV   attempt, started_at_ms (Unix milliseconds)
--        redelivered  1: the broker has delivered this message before
-- Reply  {cancelled 0|1, crashes}
local started, cancelled = unpack(KEYS)
local attempt, started_at_ms, redelivered = unpack(ARGV)

-- Longer than any attempt; settling removes the mark before.
local STARTED_TTL_MS = 24 * 3600000

local crashes = tonumber(redis.call('HGET', started, 'crashes') or 0)
if redelivered == '1' and redis.call('HEXISTS', started, 'attempt') == 1 then
  crashes = crashes + 1
end
local is_cancelled = redis.call('EXISTS', cancelled)
if is_cancelled == 0 then
  redis.call('HSET', started, 'attempt', attempt, 'startedAtMs', started_at_ms, 'crashes', crashes)
  redis.call('PEXPIRE', started, STARTED_TTL_MS)
end
return { is_cancelled, crashes }
