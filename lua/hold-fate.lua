-- Tells whether a request has a hold, and whether its absence means anything.
--
-- KEYS   marker, loaded_at, holds  of the user
-- ARGV   instance       run_id of the Redis process that the caller is connected to
--        request_id
--        created_at_ms  when the request was made, by the clock of its gateway
-- Reply  'held'
--        'gone'     the hold was taken since the user was loaded, and is not there any more: it was settled
--                   or released
--        'unknown'  the user is not loaded, or was loaded about when the hold was taken: a load does not see
--                   an accept that has not committed when Redis loses its hold, and that may commit later
local marker, loaded_at, holds = unpack(KEYS)
local instance, request_id, created_at_ms = unpack(ARGV)

-- More than the clocks of a gateway and of Redis may differ.
local CLOCKS_DIFFER_MS_MAX = 60000

if redis.call('GET', marker) ~= instance then
  return 'unknown'
end
if redis.call('HEXISTS', holds, request_id) == 1 then
  return 'held'
end
local loaded_at_ms = tonumber(redis.call('GET', loaded_at) or 'inf')
return tonumber(created_at_ms) > loaded_at_ms + CLOCKS_DIFFER_MS_MAX and 'gone' or 'unknown'
