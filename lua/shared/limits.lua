-- Shared by the scripts that write limits; it goes after loading.lua and failures.lua and before the script's
-- own text.

-- `limits`: requests and tokens of the day, of the month, the concurrency cap, then failed executions of the
-- day and of the month. They outlive the marker.
local function write_limits(limits, known_for_ms)
  local function write(key, value)
    redis.call('SET', key, value, 'PX', known_for_ms + LOADING_TTL_MS)
  end
  local keys = {
    daily_requests_limit, daily_tokens_limit, monthly_requests_limit, monthly_tokens_limit, concurrent_limit,
  }
  for i, key in ipairs(keys) do
    write(key, string.format('%.0f', limits[i]))
  end
  write(failure_books().limits_key, string.format('%.0f|%.0f', limits[6], limits[7]))
end
