-- Shared by every script that uses the books of a user; it goes before the script's own text.
--
-- KEYS[1] is `user:{USER}`: nothing is stored there, it names the cluster slot that all keys of the user
-- share. The names are made here, and are those of `booksKeys` in adapters/redis/keys.ts: sending all of them
-- cost more than the rest of a call. Counters end in the id of their window, because only the clock of Redis
-- says which it is. What is held is kept by day alone: the month is the sum of its days, which hardly anybody
-- asks for, while every request is counted.
local user = KEYS[1]
local marker = user .. ':quota:instance'
-- What must be there (use.lua): `DAY`, the last day whose counters were made, those of its month included; or
-- `DAY|WINDOW` when the user was refused then until the end of WINDOW, because too much failed.
local counted = user .. ':quota:counted'
local holds = user .. ':holds'
local daily_requests_limit = user .. ':quota:daily:requests:limit'
local daily_tokens_limit = user .. ':quota:daily:tokens:limit'
local monthly_requests_limit = user .. ':quota:monthly:requests:limit'
local monthly_tokens_limit = user .. ':quota:monthly:tokens:limit'
local concurrent_limit = user .. ':quota:concurrent:limit'
-- `WINDOW|LIMIT|FAILED`: until the end of that window, a day or a month, the user is refused, because so many
-- executions failed in it (failures.lua).
local failures_block = user .. ':quota:failures-block'

local DAY_MS = 86400000
-- Counted from a key's first use, so at least 8 days past the end of its window: late settles still find it.
local DAILY_TTL_MS = 9 * DAY_MS
local MONTHLY_TTL_MS = 39 * DAY_MS
local HELD_TTL_MS = MONTHLY_TTL_MS
-- Longer than a request may wait (a week by default) and refreshed by every load; should it ever pass, the
-- user is rebuilt.
local HOLDS_TTL_MS = 32 * DAY_MS
local NO_LIMIT = -1

-- Unix milliseconds: the clock of Redis, or `clock_ms` where a test sets the clock (0 in production).
local function now(clock_ms)
  if clock_ms > 0 then
    return clock_ms
  end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- UTC day `YYYY-MM-DD` of an instant; https://howardhinnant.github.io/date_algorithms.html#civil_from_days
local function day_of(at_ms)
  local floor = math.floor
  local days = floor(at_ms / DAY_MS) + 719468
  local era = floor(days / 146097)
  local day_of_era = days - era * 146097
  local year_of_era = floor(
    (day_of_era - floor(day_of_era / 1460) + floor(day_of_era / 36524) - floor(day_of_era / 146096)) / 365
  )
  local day_of_year = day_of_era - (365 * year_of_era + floor(year_of_era / 4) - floor(year_of_era / 100))
  local shifted_month = floor((5 * day_of_year + 2) / 153) -- 0 is March
  local day = day_of_year - floor((153 * shifted_month + 2) / 5) + 1
  local month = shifted_month < 10 and shifted_month + 3 or shifted_month - 9
  local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02d', year, month, day)
end

local function month_of(day)
  return string.sub(day, 1, 7)
end

-- The four counters of the windows of `day`: requests and tokens of the day, then of the month.
local function used_keys(day)
  local month = month_of(day)
  return {
    user .. ':quota:daily:requests:used:' .. day, user .. ':quota:daily:tokens:used:' .. day,
    user .. ':quota:monthly:requests:used:' .. month, user .. ':quota:monthly:tokens:used:' .. month,
  }
end

-- The sums of the holds that are pinned to `day`: requests and tokens.
local function held_keys(day)
  return { user .. ':quota:daily:requests:held:' .. day, user .. ':quota:daily:tokens:held:' .. day }
end

-- The user is rebuilt from PostgreSQL before the next admission. Called by whoever misses any of it.
local function forget()
  redis.call('DEL', marker)
end


-- A hold is stored as `tokens|day|taken_at_ms`.
local function pack_hold(tokens, day, taken_at_ms)
  return string.format('%.0f|%s|%.0f', tokens, day, taken_at_ms)
end

local function unpack_hold(hold)
  local tokens, day, taken_at_ms = string.match(hold, '^(%d+)|([%d-]+)|(%d+)$')
  return tonumber(tokens), day, tonumber(taken_at_ms)
end
