-- Opens the loading of a user from PostgreSQL, or joins the one under way. Between this and `load` the caller
-- reads PostgreSQL; settlements in between are noted, so that an older reading loses none of them.
--
-- KEYS   user (shared/books.lua)
-- ARGV   instance    run_id of the Redis process that the caller is connected to
--        nonce       unique; starts with the instance, so that a nonce restored from an old dump is not taken
--                    for this run's
--        clock_ms    0: the clock of Redis; otherwise Unix milliseconds, for tests
-- Reply  {}: the user is loaded already; else {nonce to load with, request ids of holds taken lately …}:
--        requests of which PostgreSQL may not know yet
local instance, nonce, clock_ms = unpack(ARGV)

-- Longer than an accept may take between its hold and its commit (gateway.accept_timeout_ms, 5 s by default).
-- A hold that is lost because its accept took even longer is found missing when it is settled.
local RECENT_MS = 30000

if redis.call('GET', marker) == instance then
  return {}
end

local under_way = redis.call('GET', loading)
if not under_way or string.sub(under_way, 1, #instance) ~= instance
  or redis.call('HEXISTS', settled_log, LOG_BEGUN) == 0 then
  under_way = nonce
  redis.call('SET', loading, nonce, 'PX', LOADING_TTL_MS)
  redis.call('DEL', settled_log)
  redis.call('HSET', settled_log, LOG_BEGUN, '-1|')
  redis.call('PEXPIRE', settled_log, LOADING_TTL_MS)
end

local reply = { under_way }
local taken_after_ms = now(tonumber(clock_ms)) - RECENT_MS
-- What is not ours is ignored: the load replaces it.
local entries = redis.call('TYPE', holds).ok == 'hash' and redis.call('HGETALL', holds) or {}
for i = 1, #entries, 2 do
  local _, _, taken_at_ms = unpack_hold(entries[i + 1])
  if taken_at_ms and taken_at_ms > taken_after_ms then
    reply[#reply + 1] = entries[i]
  end
end
return reply
