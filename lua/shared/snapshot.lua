-- Shared by the scripts that return a snapshot; it goes after use.lua and failures.lua and before the
-- script's own text.

-- As `use_reply`, then 4 held, of which those of the month are the sums over its days; then the limits on
-- failed executions and how many failed, each of the day and of the month.
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
