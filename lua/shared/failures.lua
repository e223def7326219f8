-- Shared by the scripts that count failed executions; it goes after books.lua and before the script's own
-- text.
--
-- Everything is made by this one function, because hardly any call has to do with what failed, and making
-- four functions costs each call a twentieth.
local function failure_books()
  local failed_limits = user .. ':quota:failed:limits'
  local daily_failed_used = user .. ':quota:daily:failed:used:'
  local monthly_failed_used = user .. ':quota:monthly:failed:used:'
  local books = {}

  -- How many executions failed in the day, and in the month: counters that exist only above 0.
  function books.keys(day)
    return { daily_failed_used .. day, monthly_failed_used .. month_of(day) }
  end

  -- Both limits lie under one key, as `DAILY|MONTHLY`.
  function books.write_limits(daily, monthly, known_for_ms)
    local limits = string.format('%.0f|%.0f', daily, monthly)
    redis.call('SET', failed_limits, limits, 'PX', known_for_ms + LOADING_TTL_MS)
  end

  -- {limit of the day, of the month, failed in the day, in the month}. When the limits are lost it forgets
  -- the user, who is loaded before the next admission, and returns nil: a missing limit must not count as no
  -- limit.
  function books.read(day)
    local keys = books.keys(day)
    local values = redis.call('MGET', failed_limits, keys[1], keys[2])
    local daily, monthly = string.match(values[1] or '', '^(-?%d+)|(-?%d+)$')
    if not daily then
      redis.call('DEL', marker)
      return nil
    end
    return { tonumber(daily), tonumber(monthly), tonumber(values[2] or 0), tonumber(values[3] or 0) }
  end

  -- Writes down whether too many executions have failed in a window of `day`, so that an admission need look
  -- at one key only: `WINDOW|LIMIT|FAILED` of the longer window. `failures` as `read` returns them.
  function books.note(day, failures)
    local windows = { day, month_of(day) }
    local ttls_ms = { DAILY_TTL_MS, MONTHLY_TTL_MS }
    for i = 2, 1, -1 do
      local limit, failed = failures[i], failures[i + 2]
      if limit ~= NO_LIMIT and failed >= limit then
        local block = string.format('%s|%.0f|%.0f', windows[i], limit, failed)
        redis.call('SET', failures_block, block, 'PX', ttls_ms[i])
        return
      end
    end
    redis.call('DEL', failures_block)
  end

  return books
end
