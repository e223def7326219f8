-- Shared by the scripts that answer a snapshot; put after books.lua and before the script's own text.

-- Reads everything about a user in one command. Answers nil when the user is unknown: never loaded under this run of Redis, or
-- a limit is gone (a missing limit must not pass for no limit).
local function read_books(instance, at_ms)
  local day = day_of(at_ms)
  local used, held = used_keys(day), held_keys(day)
  local values = redis.call(
    'MGET', marker,
    daily_requests_limit, daily_tokens_limit, monthly_requests_limit, monthly_tokens_limit, concurrent_limit,
    used[1], used[2], used[3], used[4], held[1], held[2], held[3], held[4]
  )
  if values[1] ~= instance then
    return nil
  end
  local books = { at_ms = at_ms, day = day, limits = {}, used = {}, held = {}, used_keys = used, held_keys = held, fresh = {} }
  for i = 1, 4 do
    local limit = values[i + 1]
    if not limit then
      return nil
    end
    books.limits[i] = tonumber(limit)
    books.used[i] = tonumber(values[i + 6] or 0)
    books.held[i] = tonumber(values[i + 10] or 0)
    books.fresh[i] = not (values[i + 6] and values[i + 10])
  end
  if not values[6] then
    return nil
  end
  books.concurrent = tonumber(values[6])
  books.open = redis.call('HLEN', holds)
  return books
end

-- {kind, at_ms, day, open requests, concurrency limit, 4 limits, 4 used, 4 held}, where the four are requests and tokens of the
-- day, requests and tokens of the month; a limit of -1 is no limit.
local function snapshot_reply(kind, books)
  local limits, used, held = books.limits, books.used, books.held
  return {
    kind, books.at_ms, books.day, books.open, books.concurrent,
    limits[1], limits[2], limits[3], limits[4],
    used[1], used[2], used[3], used[4],
    held[1], held[2], held[3], held[4],
  }
end
