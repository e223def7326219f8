-- Takes one request and `tokens` from the daily and the monthly window of a user, all or nothing.
--
-- KEYS  daily requests used, daily tokens used, monthly requests used, monthly tokens used
-- ARGV  tokens
-- Reply 1 admitted, 0 refused
local limits = { 1000000, 1000000000, 30000000, 30000000000 }
local amounts = { 1, tonumber(ARGV[1]), 1, tonumber(ARGV[1]) }
for i = 1, 4 do
  if tonumber(redis.call('GET', KEYS[i]) or '0') + amounts[i] > limits[i] then
    return 0
  end
end
for i = 1, 4 do
  if redis.call('INCRBY', KEYS[i], amounts[i]) == amounts[i] then
    redis.call('EXPIRE', KEYS[i], 2764800)
  end
end
return 1
