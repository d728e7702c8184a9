#!lua flags=allow-oom
-- Free the orders of dead drains, then return what work the lane has.

local lane, due, drains, dead, scope, waiting, wake, doubt, searches, epoch, era, oldest = unpack(KEYS)
local lease_ms, record_prefix, history_prefix, claims_prefix, poison, ask_every_ms, quarantine_ms, look = unpack(ARGV, 1, 8)
-- Then for each window: period_s, interval_us, ahead
-- scope is the rate limit with its windows (see windows.lua). waiting exists while a drain waits for orders; pushing to wake wakes it. poison is how many drains may die that hold an order alone.
-- ask_every_ms is the time between two questions for the orders in doubt. searches are those of them that a person wants to be
-- searched for (decide.lua). look is the number of orders to read at each end of the lane for the oldest one.
--
-- Returns {orders freed, orders buried as poison, orders due, live drains, ms until the lane may send, paused (0/1), ms since the last sign of life of the
-- drain that died first, orders in doubt to ask for, bulk orders due, ms since the first due order became due}.
-- If repeated: the dead drains are gone already.

local windows = {}
for i = 9, #ARGV, 3 do windows[#windows + 1] = {unpack(ARGV, i, i + 2)} end

-- include day.lua
-- include windows.lua

-- include ledger_time.lua
local time = ledger_time()
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local stamp = string.format('%.0f', now)
local freed, buried, waited = 0, 0, 0
local BULK_OFFSET = 1125899906842624 -- see accept.lua

-- include log.lua

-- include era.lua
-- include excused.lua

-- An order that its drain held with others is only suspect: it is claimed alone before long (see claim.lua).
local function free(key, drain, alone, excused)
  local record, deaths = record_prefix .. key, 0
  if not excused then
    redis.call('HINCRBY', record, 'lost', 1)
    if alone then deaths = add_death(record, 'died', drain) end
  end
  log(key, 'taken over from ' .. drain)
  redis.call('HSET', record, 'uncertain', '1')
  redis.call('HDEL', record, 'drain')
  if deaths < tonumber(poison) then
    redis.call('HSET', record, 'state', 'queued')
    -- At the place it had, not behind the backlog: it has waited for a whole lease already.
    redis.call('ZADD', due, (redis.call('HGET', record, 'seen') or now) + (redis.call('HGET', record, 'bulk') or 0), key)
    freed = freed + 1
    return
  end
  redis.call('HSET', record, 'state', 'dead', 'code', 'poison', 'detail', 'its worker died ' .. deaths .. ' times')
  log(key, 'dead poison its worker died ' .. deaths .. ' times')
  redis.call('ZADD', dead, now, key)
  redis.call('HINCRBY', lane, 'dead', 1)
  tally(now, key, 'dead poison')
  buried = buried + 1
end

end_leases(enter_era())
for _, drain in ipairs(redis.call('ZRANGE', drains, '-inf', '(' .. (now - lease_ms), 'BYSCORE')) do
  local claims = claims_prefix .. drain
  local keys = redis.call('SMEMBERS', claims)
  local beat = redis.call('ZSCORE', drains, drain)
  local excused = is_excused(beat)
  if #keys > 0 and tonumber(beat) ~= 1 then waited = math.max(waited, now - beat) end
  for _, key in ipairs(keys) do free(key, drain, #keys == 1, excused) end
  redis.call('DEL', claims)
  redis.call('ZREM', drains, drain)
end

local state = redis.call('HMGET', lane, 'paused', 'closed_until', 'asked')
-- A drain waits itself for a limit that opens within a second.
local opens = admit(micros, micros)
local closed = math.max(tonumber(state[2] or 0) - now, opens - micros > 1000000 and (opens - micros) / 1000 or 0, 0)
local fresh, live = redis.call('ZCOUNT', due, '-inf', now), redis.call('ZCARD', drains)
local bulk = redis.call('ZCOUNT', due, BULK_OFFSET, BULK_OFFSET + now)
if (fresh > 0 or (bulk > 0 and live == 0)) and closed == 0 and not state[1] and redis.call('EXISTS', waiting) == 1 then
  if redis.call('LLEN', wake) == 0 then redis.call('LPUSH', wake, '1') end
  live = live + 1
end
local doubts, since = 0, now - ask_every_ms
if closed == 0 and not state[1] then
  doubts = redis.call('ZCOUNT', searches, '-inf', now)
  if tonumber(state[3] or 0) <= since then doubts = doubts + redis.call('ZCOUNT', doubt, '-inf', since) end
end

-- Note when the oldest undelivered order was accepted, and its key, for readers that may not read orders: a retry moves it back, near the front or the end.
local accepted, first
for _, range in ipairs({{0, look - 1}, {-look, -1}}) do
  for _, key in ipairs(redis.call('ZRANGE', due, range[1], range[2])) do
    local known = redis.call('HMGET', record_prefix .. key, 'seen', 'done')
    -- An order that was delivered before waits for a change: only its score tells since when.
    local at = tonumber(not known[2] and known[1] or redis.call('ZSCORE', due, key) % BULK_OFFSET)
    if not accepted or at < accepted then accepted, first = at, key end
  end
end
local note = accepted and string.format('%.0f %s', accepted, first) or ''
if note ~= (redis.call('GET', oldest) or '') then redis.call('SET', oldest, note) end

local overdue = fresh > 0 and now - redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2] or 0
return {freed, buried, fresh, live, math.ceil(closed), state[1] and 1 or 0, waited, doubts, bulk, overdue}
