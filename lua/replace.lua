-- Replaces a value that has not changed since it was read: compare and set.
--
-- KEYS   key
-- ARGV   before   the value that was read; '': there was none
--        after    the new value; '': none, the key is deleted
--        ttl_ms   how long the new value is kept
-- Reply  {replaced 0|1, the value now ('': none), Unix milliseconds by the clock of Redis}
local key = KEYS[1]
local before, after, ttl_ms = unpack(ARGV)

local time = redis.call('TIME')
local at_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local present = redis.call('GET', key) or ''
if present ~= before then
  return { 0, present, at_ms }
end
if after == '' then
  redis.call('DEL', key)
else
  redis.call('SET', key, after, 'PX', ttl_ms)
end
return { 1, after, at_ms }
