-- Shared by the scripts that return a snapshot; it goes after books.lua and before the script's own text.

-- Reads everything that decides an admission. Returns nil when the user is unknown: never loaded under this
-- run of Redis, or a limit is gone (a missing limit must not count as no limit). `block`: {window, limit,
-- failed} when too many executions have failed in the day or the month, else nil.
local function read_use(instance, at_ms)
  local day = day_of(at_ms)
  local keys = used_keys(day)
  local values = redis.call(
    'MGET', marker,
    daily_requests_limit, daily_tokens_limit, monthly_requests_limit, monthly_tokens_limit, concurrent_limit,
    keys[1], keys[2], keys[3], keys[4],
    failures_block
  )
  if values[1] ~= instance then
    return nil
  end
  local limits, used, fresh = {}, {}, {}
  for i = 1, 4 do
    local limit = values[i + 1]
    if not limit then
      return nil
    end
    limits[i] = tonumber(limit)
    used[i] = tonumber(values[i + 6] or 0)
    fresh[i] = not values[i + 6]
  end
  if not values[6] then
    return nil
  end
  local block = nil
  if values[11] then
    local window, limit, failed = string.match(values[11], '^([%d-]+)|(%d+)|(%d+)$')
    if window == day or window == month_of(day) then
      block = { window == day and 'daily' or 'monthly', tonumber(limit), tonumber(failed) }
    end
  end
  return {
    at_ms = at_ms, day = day, open = redis.call('HLEN', holds), concurrent = tonumber(values[6]),
    limits = limits, used = used, used_keys = keys, fresh = fresh, block = block,
  }
end

-- {kind, at_ms, day, open requests, concurrency limit, 4 limits, 4 used}, where the four are requests and
-- tokens of the day, requests and tokens of the month; a limit of -1 is no limit.
local function use_reply(kind, use)
  local limits, used = use.limits, use.used
  return {
    kind, use.at_ms, use.day, use.open, use.concurrent,
    limits[1], limits[2], limits[3], limits[4],
    used[1], used[2], used[3], used[4],
  }
end

-- As above, then 4 held, of which those of the month are the sums over its days; then the limits on failed
-- executions and how many failed, each of the day and of the month.
local function snapshot_reply(use)
  local failures = failure_books().read(use.day)
  if not failures then
    return { 'unknown' }
  end
  local keys = {}
  for day_of_month = 1, 31 do
    local day = string.format('%s-%02d', month_of(use.day), day_of_month)
    keys[2 * day_of_month - 1], keys[2 * day_of_month] = unpack(held_keys(day))
  end
  local values = redis.call('MGET', unpack(keys))
  local month = { 0, 0 }
  for i = 1, #keys do
    local measure = i % 2 == 1 and 1 or 2
    month[measure] = month[measure] + tonumber(values[i] or 0)
  end
  local today = 2 * tonumber(string.sub(use.day, 9, 10))

  local reply = use_reply('known', use)
  local day = { tonumber(values[today - 1] or 0), tonumber(values[today] or 0) }
  for _, amount in ipairs({ day[1], day[2], month[1], month[2], unpack(failures) }) do
    reply[#reply + 1] = amount
  end
  return reply
end
