-- Replaces everything that Redis knows of a user by what PostgreSQL knows. Applies only under the nonce of
-- the loading that the reading was made in. Windows that are over are dropped, not restored.
--
-- KEYS   user (shared/books.lua)
-- ARGV   instance      run_id of the Redis process that the loading was begun on
--        nonce         as begin-load returned it
--        known_for_ms  how long the user counts as known; afterwards it is loaded anew
--        clock_ms      0: the clock of Redis; otherwise Unix milliseconds, for tests
--        truth_json    JSON {limits: [daily requests, daily tokens, monthly requests, monthly tokens,
--                               concurrent, daily failed, monthly failed], -1: no limit
--                      days: [[day, requests, tokens, failed executions] …]   sums of the ledger
--                      holds: [[request_id, day, tokens] …]   open requests
--                      unstored: [request_id …]}   asked about, but PostgreSQL has no such request (yet)
-- Reply  'loaded' | 'already' (someone else did) | 'superseded' (begin again)
local instance, nonce, known_for_ms, clock_ms, truth_json = unpack(ARGV)
known_for_ms = tonumber(known_for_ms)

if redis.call('GET', marker) == instance then
  return 'already'
end
if redis.call('GET', loading) ~= nonce then
  return 'superseded'
end

local truth = cjson.decode(truth_json)
local at_ms = now(tonumber(clock_ms))
local today = day_of(at_ms)
local this_month = month_of(today)

-- Counters by key; those of the present windows exist even when they are 0.
local counters, ttls = {}, {}
local function add(key, amount, ttl_ms)
  counters[key] = (counters[key] or 0) + amount
  ttls[key] = ttl_ms
end
local function add_used(day, requests, tokens)
  local keys, amounts = used_keys(day), { requests, tokens, requests, tokens }
  local is_open = { day >= today, day >= today, month_of(day) >= this_month, month_of(day) >= this_month }
  for i = 1, 4 do
    if is_open[i] then
      add(keys[i], amounts[i], i < 3 and DAILY_TTL_MS or MONTHLY_TTL_MS)
    end
  end
end
local failures = failure_books()
local function add_failed(day, failed)
  if month_of(day) < this_month then
    return
  end
  local keys = failures.keys(day)
  add(keys[2], failed, MONTHLY_TTL_MS)
  if day >= today then
    add(keys[1], failed, DAILY_TTL_MS)
  end
end
local function add_held(day, requests, tokens)
  local keys = held_keys(day)
  add(keys[1], requests, HELD_TTL_MS)
  add(keys[2], tokens, HELD_TTL_MS)
end
add_used(today, 0, 0)
add_failed(today, 0)
add_held(today, 0, 0)

local open_holds = {}
local function add_hold(request_id, day, tokens)
  add_used(day, 1, tokens)
  add_held(day, 1, tokens)
  open_holds[#open_holds + 1] = request_id
  open_holds[#open_holds + 1] = pack_hold(tokens, day, at_ms)
end
local function add_settled(day, settlement)
  if settlement.billed >= 0 then
    add_used(day, 1, settlement.billed)
    add_failed(day, settlement.failed)
  end
end

-- Settlements that came after the loading began: whatever the reading still shows as open has ended since.
local settled = {}
local log = redis.call('HGETALL', settled_log)
for i = 1, #log, 2 do
  local billed, day, failed = string.match(log[i + 1], '^(-?%d+)|([%d-]*)|?(%d*)$')
  settled[log[i]] = { billed = tonumber(billed), day = day, failed = tonumber(failed) or 0 }
end
if not settled[LOG_BEGUN] then
  return 'superseded'
end

for _, row in ipairs(truth.days) do
  add_used(row[1], row[2], row[3])
  add_failed(row[1], row[4])
end
for _, row in ipairs(truth.holds) do
  local request_id, day, tokens = row[1], row[2], row[3]
  local settlement = settled[request_id]
  if settlement then
    add_settled(day, settlement)
    settlement.is_placed = true
  else
    add_hold(request_id, day, tokens)
  end
end
-- An accept between its hold and its commit: PostgreSQL cannot know it, so the hold that is here stays.
for _, request_id in ipairs(truth.unstored) do
  local hold = redis.call('HGET', holds, request_id)
  local settlement = settled[request_id]
  if hold then
    local tokens, day = unpack_hold(hold)
    add_hold(request_id, day, tokens)
  elseif settlement and settlement.day ~= '' then
    add_settled(settlement.day, settlement)
    settlement.is_placed = true
  end
end
-- Bills whose hold Redis had lost and that the reading does not show as open: either it counts them already,
-- or it is older than the whole request. A later reading tells.
for _, settlement in pairs(settled) do
  if settlement.day == '' and settlement.billed >= 0 and not settlement.is_placed then
    known_for_ms = math.min(known_for_ms, UNSURE_KNOWN_FOR_MS)
  end
end

-- First, because a Redis that is out of memory refuses this, but not the deletes below: an error must leave
-- nothing half done.
redis.call('SET', loaded_at, string.format('%.0f', now(0)), 'PX', known_for_ms)

-- A counter of any window comes with `counted` and with one of its month, which live as long. A user who has
-- none was not seen for that long, or not since Redis was emptied: then there is nothing to look for, and
-- looking is two thirds of what a load costs.
local last_month_end = at_ms - tonumber(string.sub(today, 9, 10)) * DAY_MS
local last_month, before_last = used_keys(day_of(last_month_end)), used_keys(day_of(at_ms - HELD_TTL_MS))
local failed_today = failures.keys(today)
local over = {
  last_month[3], last_month[4], holds, loading, settled_log, failures_block, failed_today[1], failed_today[2],
}
if redis.call('EXISTS', counted, used_keys(today)[3], last_month[3], before_last[3]) > 0 then
  -- Every window that is over but whose counters may still exist, and what was held on other days of the
  -- month.
  for days_ago = 1, HELD_TTL_MS / DAY_MS do
    local day, last = day_of(at_ms - days_ago * DAY_MS), #over
    over[last + 1], over[last + 2] = unpack(used_keys(day), 1, 2)
    over[last + 3], over[last + 4] = unpack(held_keys(day))
  end
  -- Of older windows nobody counts or reads any more what failed.
  local last = #over
  over[last + 1] = failures.keys(day_of(at_ms - DAY_MS))[1]
  over[last + 2] = failures.keys(day_of(last_month_end))[2]
end
redis.call('DEL', unpack(over))

for key, amount in pairs(counters) do
  redis.call('SET', key, string.format('%.0f', amount), 'PX', ttls[key])
end
local CHUNK = 1000 -- even: field and value; Lua cannot unpack much more
for first = 1, #open_holds, CHUNK do
  redis.call('HSET', holds, unpack(open_holds, first, math.min(first + CHUNK - 1, #open_holds)))
end
if #open_holds > 0 then
  redis.call('PEXPIRE', holds, HOLDS_TTL_MS)
end
redis.call('SET', counted, today, 'PX', HELD_TTL_MS)
write_limits(truth.limits, known_for_ms)
local daily_failed, monthly_failed = truth.limits[6], truth.limits[7]
local in_day, in_month = counters[failed_today[1]], counters[failed_today[2]]
if in_month > 0 then
  failures.note(today, { daily_failed, monthly_failed, in_day, in_month })
end
redis.call('SET', marker, instance, 'PX', known_for_ms)
return 'loaded'
