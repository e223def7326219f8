-- Tells whether a request has a hold, and whether its absence means anything.
--
-- KEYS   user (shared/books.lua)
-- ARGV   instance       run_id of the Redis process that the caller is connected to
--        request_id
--        created_at_ms  when the request was made, by the clock of its gateway
-- Reply  'held'
--        'gone'     the hold was taken since the user was loaded, and is not there any more: it was settled
--                   or released
--        'unknown'  the user is not known; or was loaded about when the hold was taken: a load does not see
--                   an accept that has not committed when Redis loses its hold, and that may commit later;
--                   or holds were lost since
local instance, request_id, created_at_ms = unpack(ARGV)

-- More than the clocks of a gateway and of Redis may differ.
local CLOCKS_DIFFER_MS_MAX = 60000

local at_ms = now(0)
local use = read_use(instance, at_ms)
if not use then
  return 'unknown'
end
if redis.call('HEXISTS', holds, request_id) == 1 then
  return 'held'
end
local loaded_at_ms = tonumber(redis.call('GET', loaded_at) or 'inf')
if tonumber(created_at_ms) <= loaded_at_ms + CLOCKS_DIFFER_MS_MAX then
  return 'unknown'
end

-- All holds lie under one key. If that is lost, the sums of what is held tell of more holds than there are.
local keys = {}
for days_ago = 0, HOLDS_TTL_MS / DAY_MS do
  keys[days_ago + 1] = held_keys(day_of(at_ms - days_ago * DAY_MS))[1]
end
local held = 0
for _, requests in ipairs(redis.call('MGET', unpack(keys))) do
  held = held + tonumber(requests or 0)
end
if held > use.open then
  forget()
  return 'unknown'
end
return 'gone'
