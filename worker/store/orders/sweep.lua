#!lua flags=allow-oom
-- Free the orders of dead drains, then tell what the lane has to do.
--
-- KEYS  1 lane  2 due  3 drains  4 dead  5 limit scope  6 whether a drain waits for orders  7 what wakes it  8 doubt
-- ARGV  1 lease in ms  2 prefix of order records  3 prefix of stories  4 prefix of claims  5 times an order may lose its drain
--       6 ms from one asking after orders in doubt to the next
-- Returns {orders freed, orders buried as poison, orders due, live drains, ms until the lane may send, paused (0/1), ms the longest heir waited,
-- orders in doubt that are to be asked for, orders of bulk work that are due}.
-- Repeated: the dead are gone already.

-- include day.lua

local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local stamp = string.format('%.0f', now)
local freed, buried, waited = 0, 0, 0
local BULK_OFFSET = 1125899906842624 -- see accept.lua

local function free(key, drain)
  local record = ARGV[2] .. key
  local lost = redis.call('HINCRBY', record, 'lost', 1)
  redis.call('RPUSH', ARGV[3] .. key, stamp .. ' taken over from ' .. drain)
  redis.call('HSET', record, 'uncertain', '1')
  redis.call('HDEL', record, 'drain')
  if lost < tonumber(ARGV[5]) then
    redis.call('HSET', record, 'state', 'queued')
    -- In the place it had, not behind the backlog: it has waited for a whole lease already.
    redis.call('ZADD', KEYS[2], (redis.call('HGET', record, 'seen') or now) + (redis.call('HGET', record, 'bulk') or 0), key)
    freed = freed + 1
    return
  end
  redis.call('HSET', record, 'state', 'dead', 'code', 'poison', 'detail', 'its worker died ' .. lost .. ' times')
  redis.call('RPUSH', ARGV[3] .. key, stamp .. ' dead poison its worker died ' .. lost .. ' times')
  redis.call('ZADD', KEYS[4], now, key)
  redis.call('HINCRBY', KEYS[1], 'dead', 1)
  tally(now, 'dead poison')
  buried = buried + 1
end

for _, drain in ipairs(redis.call('ZRANGE', KEYS[3], '-inf', '(' .. (now - ARGV[1]), 'BYSCORE')) do
  local claims = ARGV[4] .. drain
  local keys = redis.call('SMEMBERS', claims)
  if #keys > 0 then waited = math.max(waited, now - redis.call('ZSCORE', KEYS[3], drain)) end
  for _, key in ipairs(keys) do free(key, drain) end
  redis.call('DEL', claims)
  redis.call('ZREM', KEYS[3], drain)
end

local lane = redis.call('HMGET', KEYS[1], 'paused', 'closed_until', 'asked')
local scope = redis.call('HGET', KEYS[5], 'closed_until')
local closed = math.max(tonumber(lane[2] or 0) - now, (tonumber(scope or 0) - micros) / 1000, 0)
local due, drains = redis.call('ZCOUNT', KEYS[2], '-inf', now), redis.call('ZCARD', KEYS[3])
local later = redis.call('ZCOUNT', KEYS[2], BULK_OFFSET, BULK_OFFSET + now)
if (due > 0 or (later > 0 and drains == 0)) and closed == 0 and not lane[1] and redis.call('EXISTS', KEYS[6]) == 1 then
  if redis.call('LLEN', KEYS[7]) == 0 then redis.call('LPUSH', KEYS[7], '1') end
  drains = drains + 1
end
local doubts, since = 0, now - ARGV[6]
if closed == 0 and not lane[1] and tonumber(lane[3] or 0) <= since then doubts = redis.call('ZCOUNT', KEYS[8], '-inf', since) end
return {freed, buried, due, drains, math.ceil(closed), lane[1] and 1 or 0, waited, doubts, later}
