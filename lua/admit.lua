-- Takes a hold: 1 request and `tokens` from every window of a user and one place under the concurrency cap,
-- all or nothing. Idempotent: a request that already has a hold is admitted again and takes nothing.
--
-- KEYS   user (shared/books.lua)
-- ARGV   instance    run_id of the Redis process that the caller is connected to
--        request_id
--        tokens      the estimate, a whole number >= 0
--        clock_ms    0: the clock of Redis; otherwise Unix milliseconds, for tests
-- Reply  {'unknown'}: load the user first; else {'admitted' | 'refused', …} as `use_reply` in
--        shared/use.lua; when failed executions refuse then also 'daily' | 'monthly', the limit, and how
--        many failed
local instance, request_id, tokens, clock_ms = unpack(ARGV)

local use = read_use(instance, now(tonumber(clock_ms)))
if not use then
  return { 'unknown' }
end

-- Texts, because redis.call would write every number out again, which is slow.
local amounts = { '1', tokens, '1', tokens }
local fits = not use.block and (use.concurrent == NO_LIMIT or use.open < use.concurrent)
for i = 1, 4 do
  local limit = use.limits[i]
  fits = fits and (limit == NO_LIMIT or use.used[i] + tonumber(amounts[i]) <= limit)
end

if not fits then
  if redis.call('HEXISTS', holds, request_id) == 1 then
    return use_reply('admitted', use)
  end
  local reply = use_reply('refused', use)
  for _, value in ipairs(use.block or {}) do
    reply[#reply + 1] = value
  end
  return reply
end

if redis.call('HSETNX', holds, request_id, pack_hold(tokens, use.day, use.at_ms)) == 1 then
  if use.open == 0 then
    redis.call('PEXPIRE', holds, HOLDS_TTL_MS)
  end
  use.open = use.open + 1
  for i = 1, 4 do
    use.used[i] = redis.call('INCRBY', use.used_keys[i], amounts[i])
  end
  for i = 1, 2 do
    redis.call('INCRBY', use.held_keys[i], amounts[i])
  end
  -- The counters of a day are made together.
  if use.is_new_day then
    local failures = failure_books()
    for i = 1, 4 do
      redis.call('PEXPIRE', use.used_keys[i], i < 3 and DAILY_TTL_MS or MONTHLY_TTL_MS)
    end
    for i = 1, 2 do
      redis.call('PEXPIRE', use.held_keys[i], HELD_TTL_MS)
      redis.call('SET', failures.keys(use.day)[i], '0', 'PX', failures.ttls_ms[i], 'NX')
    end
    redis.call('SET', counted, use.day, 'PX', HELD_TTL_MS)
  end
end
return use_reply('admitted', use)
