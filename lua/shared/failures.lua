-- Shared by the scripts that count failed executions; it goes after books.lua and before the script's own
-- text.
--
-- Everything is made by this one function, because hardly any call has to do with what failed, and making
-- four functions costs each call a twentieth.
local function failure_books()
  local daily_failed_used = user .. ':quota:daily:failed:used:'
  local monthly_failed_used = user .. ':quota:monthly:failed:used:'
  local books = {
    ttls_ms = { DAILY_TTL_MS, MONTHLY_TTL_MS },
    -- Both limits lie under one key, as `DAILY|MONTHLY`.
    limits_key = user .. ':quota:failed:limits',
  }

  -- How many executions failed in the day, and in the month.
  function books.keys(day)
    return { daily_failed_used .. day, monthly_failed_used .. month_of(day) }
  end

  -- {limit of the day, of the month, failed in the day, in the month}. When the limits are lost, or counters
  -- that `counted` tells of, it forgets the user and returns nil, as `read_use` does.
  function books.read(day)
    local keys = books.keys(day)
    local values = redis.call('MGET', books.limits_key, keys[1], keys[2], counted)
    local daily, monthly = string.match(values[1] or '', '^(-?%d+)|(-?%d+)$')
    local last_day = string.sub(values[4] or '', 1, 10)
    if not daily or last_day == ''
      or not values[2] and last_day >= day
      or not values[3] and month_of(last_day) >= month_of(day) then
      return forget()
    end
    return { tonumber(daily), tonumber(monthly), tonumber(values[2] or 0), tonumber(values[3] or 0) }
  end

  -- Writes down whether too many executions have failed in a window of `day`, so that an admission need look
  -- at one key only: `WINDOW|LIMIT|FAILED` of the longer window; `counted` tells that it is there. `failures`
  -- as `read` returns them.
  function books.note(day, failures)
    local windows = { day, month_of(day) }
    local last_day = string.sub(redis.call('GET', counted) or day, 1, 10)
    for i = 2, 1, -1 do
      local limit, failed = failures[i], failures[i + 2]
      if limit ~= NO_LIMIT and failed >= limit then
        local block = string.format('%s|%.0f|%.0f', windows[i], limit, failed)
        redis.call('SET', failures_block, block, 'PX', books.ttls_ms[i])
        redis.call('SET', counted, last_day .. '|' .. windows[i], 'PX', HELD_TTL_MS)
        return
      end
    end
    redis.call('DEL', failures_block)
    redis.call('SET', counted, last_day, 'PX', HELD_TTL_MS)
  end

  return books
end
