-- Shared by the scripts that ask whether a user is known; it goes after books.lua and before the script's own
-- text.

-- Reads everything that decides an admission. Returns nil when the user is unknown.
--
-- This is the one rule. A user is known when they were loaded under this run of Redis, and every limit and
-- every counter that `counted` tells of is still there: a missing limit must not count as no limit, nor a
-- missing counter as nothing used. Counters of a later window are made by its first admission. Whoever misses
-- something forgets the user, so that all scripts agree and the next load mends it. What failed is read more
-- seldom and by the same rule (failures.lua).
--
-- `block`: {window, limit, failed} when too many executions have failed in the day or the month, else nil.
-- `is_new_day`: the counters of the day are still to be made.
local function read_use(instance, at_ms)
  local day = day_of(at_ms)
  local keys, held_today = used_keys(day), held_keys(day)
  local values = redis.call(
    'MGET', marker,
    daily_requests_limit, daily_tokens_limit, monthly_requests_limit, monthly_tokens_limit, concurrent_limit,
    keys[1], keys[2], keys[3], keys[4], held_today[1], held_today[2],
    failures_block, counted
  )
  if values[1] ~= instance then
    return nil
  end
  local is_new_day, is_new_month, blocked_window = false, false, nil
  if values[14] ~= day then
    local last_day, window = string.match(values[14] or '', '^([%d-]+)|?(.*)$')
    -- A later day than today: the clock was set back.
    if not last_day or last_day > day then
      return forget()
    end
    is_new_day, is_new_month = last_day < day, month_of(last_day) < month_of(day)
    blocked_window = (window == day or window == month_of(day)) and window or nil
  end

  local limits, used = {}, {}
  for i = 1, 4 do
    local limit, count = values[i + 1], values[i + 6]
    if not limit or not count and not (i < 3 and is_new_day or is_new_month) then
      return forget()
    end
    limits[i] = tonumber(limit)
    used[i] = tonumber(count or 0)
  end
  local open = redis.call('HLEN', holds)
  -- All holds lie under one key: fewer than are held today means that it was lost.
  if not values[6] or open < tonumber(values[11] or 0)
    or not (values[11] and values[12] or is_new_day)
    or blocked_window and not values[13] then
    return forget()
  end
  local block = nil
  if values[13] then
    local window, limit, failed = string.match(values[13], '^([%d-]+)|(%d+)|(%d+)$')
    if window == day or window == month_of(day) then
      block = { window == day and 'daily' or 'monthly', tonumber(limit), tonumber(failed) }
    end
  end
  return {
    at_ms = at_ms, day = day, open = open, concurrent = tonumber(values[6]), limits = limits,
    used = used, used_keys = keys, held_keys = held_today, is_new_day = is_new_day,
    block = block,
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
