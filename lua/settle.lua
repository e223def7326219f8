-- Replaces the hold of a request by what was really used, in the windows that the hold is pinned to. More
-- than was held is charged in full, less is returned. Idempotent: without a hold nothing changes.
--
-- While a user is being loaded the settlement is also noted for the load, whose reading of PostgreSQL may be
-- older than it.
--
-- KEYS   user (shared/books.lua), then `started`: the mark that an attempt is under way, which ends here
-- ARGV   request_id
--        billed_tokens  whole number >= 0; -1 releases: the request and all its tokens are returned
--        failed         executions of the request that failed, a whole number >= 0; 0 with a release
--        expect_hold    1: nobody settled this before, so a missing hold means that Redis lost something: the
--                       user is forgotten, to be loaded before the next admission. 0: a missing hold is fine
--                       (a repeat)
--        clock_ms       0: the clock of Redis; otherwise Unix milliseconds, for tests
-- Reply  'settled' | 'absent'
local started = KEYS[2]
local request_id, billed_tokens, failed, expect_hold, clock_ms = unpack(ARGV)
local billed = tonumber(billed_tokens)

local hold = redis.call('HGET', holds, request_id)
local is_loading = redis.call('EXISTS', loading) == 1
local tokens, day
if hold then
  tokens, day = unpack_hold(hold)
end

if is_loading then
  -- Without what an earlier release cannot read, whenever it can be left out.
  local note = string.format('%.0f|%s', billed, day or '') .. (failed == '0' and '' or '|' .. failed)
  redis.call('HSETNX', settled_log, request_id, note)
  redis.call('PEXPIRE', settled_log, LOADING_TTL_MS)
elseif not hold and expect_hold == '1' then
  local loaded_ago_ms = now(0) - tonumber(redis.call('GET', loaded_at) or 0)
  if loaded_ago_ms >= UNSURE_KNOWN_FOR_MS then
    forget()
  elseif redis.call('PTTL', marker) > UNSURE_KNOWN_FOR_MS then
    -- Most likely the load already counted the bill, whose settlement was on its way. Forgetting the user at
    -- once would, under load, make every load cause the next.
    redis.call('PEXPIRE', marker, UNSURE_KNOWN_FOR_MS)
  end
end

if hold then
  local used, held = used_keys(day), held_keys(day)
  local present = redis.call('MGET', used[1], used[2], used[3], used[4], held[1], held[2])
  -- A counter whose window is long over is not made again. Amounts are texts: redis.call would write every
  -- number out again.
  local function change(i, key, amount)
    if present[i] and amount ~= '0' then
      redis.call('INCRBY', key, amount)
    end
  end
  local is_release = billed < 0
  local used_requests = is_release and '-1' or '0'
  local used_tokens = string.format('%d', is_release and -tokens or billed - tokens)
  change(1, used[1], used_requests)
  change(2, used[2], used_tokens)
  change(3, used[3], used_requests)
  change(4, used[4], used_tokens)
  change(5, held[1], '-1')
  change(6, held[2], string.format('%d', -tokens))
  if not (present[1] and present[2] and present[3] and present[4] and present[5] and present[6]) then
    local today = day_of(now(tonumber(clock_ms)))
    local is_over, is_month_over = day < today, month_of(day) < month_of(today)
    -- What is held stays until the hold is settled, the others until their window is over.
    if not (present[5] and present[6] and (present[1] and present[2] or is_over)
      and (present[3] and present[4] or is_month_over)) then
      forget()
    end
  end

  if failed ~= '0' then
    local failures = failure_books()
    local keys, today = failures.keys(day), day_of(now(tonumber(clock_ms)))
    -- Before they change, because that would make a lost one anew.
    local is_complete = failures.read(today)
    for i = 1, 2 do
      -- Beside the counter of requests of the same window, or not at all.
      if present[2 * i - 1] and redis.call('INCRBY', keys[i], failed) == tonumber(failed) then
        redis.call('PEXPIRE', keys[i], failures.ttls_ms[i])
      end
    end
    if is_complete then
      failures.note(today, failures.read(today))
    end
  end
end

-- Last, because Redis allows these when it is out of memory, but not the ones above: an error must leave
-- nothing half done.
redis.call('HDEL', holds, request_id)
redis.call('DEL', started)
return hold and 'settled' or 'absent'
