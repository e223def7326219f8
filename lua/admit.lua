-- Takes a hold: 1 request and `tokens` from every window of a user and one place under the concurrency cap, all or nothing.
-- Idempotent: a request that already has a hold is admitted again and takes nothing.
--
-- KEYS   user (shared/books.lua)
-- ARGV   instance    run_id of the Redis process that the caller is connected to
--        request_id
--        tokens      the estimate, a whole number >= 0
--        clock_ms    0: the clock of Redis; otherwise Unix milliseconds, for tests
-- Reply  {'unknown'}: load the user first; else {'admitted' | 'refused', …} as in shared/snapshot.lua
local instance, request_id, tokens, clock_ms = unpack(ARGV)
tokens = tonumber(tokens)

local books = read_books(instance, now(tonumber(clock_ms)))
if not books then
  return { 'unknown' }
end

local amounts = { 1, tokens, 1, tokens }
local fits = books.concurrent == NO_LIMIT or books.open < books.concurrent
for i = 1, 4 do
  local limit = books.limits[i]
  fits = fits and (limit == NO_LIMIT or books.used[i] + amounts[i] <= limit)
end

if not fits then
  local kind = redis.call('HEXISTS', holds, request_id) == 1 and 'admitted' or 'refused'
  return snapshot_reply(kind, books)
end

if redis.call('HSETNX', holds, request_id, pack_hold(tokens, books.day, books.at_ms)) == 1 then
  if books.open == 0 then
    redis.call('PEXPIRE', holds, HOLDS_TTL_MS)
  end
  books.open = books.open + 1
  for i = 1, 4 do
    books.used[i] = redis.call('INCRBY', books.used_keys[i], amounts[i])
    books.held[i] = redis.call('INCRBY', books.held_keys[i], amounts[i])
    if books.fresh[i] then
      redis.call('PEXPIRE', books.used_keys[i], TTL_MS[i])
      redis.call('PEXPIRE', books.held_keys[i], TTL_MS[i])
    end
  end
end
return snapshot_reply('admitted', books)
